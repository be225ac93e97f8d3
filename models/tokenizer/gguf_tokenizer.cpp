#include "models/tokenizer/gguf_tokenizer.h"

#include <algorithm>

#include "core/check.h"
#include "core/file.h"
#include "core/joined.h"
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/pre_tokenizers.h"
#include "models/tokenizer/sentencepiece_model.h"
#include "models/tokenizer/sentencepiece_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr char kPrefix[] = "tokenizer.ggml.";

using Type = PieceTable::Type;  // tokenizer.ggml.token_type has the same numbers

/// The settings of a tokenizer, read as the kinds that they must be.
class Settings {
 public:
  explicit Settings(const GgufFile& file)
      : file_(file),
        json_(file.settings(kPrefix)),
        fields_(json_, file.path().string() + ": tokenizer.ggml") {}

  const std::string& where() const { return fields_.where(); }
  std::string text(const char* key, const std::string& otherwise) const {
    return fields_.text(key).value_or(otherwise);
  }
  bool flag(const char* key, bool otherwise) const { return fields_.boolean(key).value_or(otherwise); }
  int32_t id(const char* key) const { return gguf_token_id(file_, key); }
  bool is_byte_level() const {
    const std::string kind = text("model", "");
    SCCA_CHECK(kind == "gpt2" || kind == "llama", where(), ": model is ", short_text(Json(kind)),
               ", which is not implemented; expected gpt2 or llama");
    return kind == "gpt2";
  }
  std::string pre() const { return text("pre", "default"); }
  /// A file that does not say it means BOS in front of SentencePiece's texts and LLaMA-3's, as llama.cpp
  /// reads it.
  SpecialIds special_ids() const {
    return {.bos = id("bos_token_id"),
            .eos = id("eos_token_id"),
            .unk = id("unknown_token_id"),
            .adds_bos = flag("add_bos_token", !is_byte_level() || pre() == "llama-bpe")};
  }
  /// A list of `count` values, 0 for any number; empty where there is none.
  template <class T>
  std::vector<T> list(const char* key, size_t count) const {
    const auto found = json_.find(key);
    if (found == json_.end()) return {};
    const bool kind = found->is_array() && std::ranges::all_of(*found, [](const Json& value) {
                        return std::is_same_v<T, std::string> ? value.is_string() : value.is_number();
                      });
    SCCA_CHECK(kind && (count == 0 || found->size() == count), where(), ": ", key, " is ", short_text(*found),
               ", expected a list of ", count == 0 ? "" : concat(count, " "),
               std::is_same_v<T, std::string> ? "texts" : "numbers");
    return found->get<std::vector<T>>();
  }
  std::vector<std::string> tokens() const {
    std::vector<std::string> tokens = list<std::string>("tokens", 0);
    SCCA_CHECK(!tokens.empty(), where(), ": no tokens: the file has no tokenizer");
    return tokens;
  }
  std::vector<Type> types(size_t count) const {
    std::vector<Type> types;
    for (const int32_t type : list<int32_t>("token_type", count)) types.push_back(static_cast<Type>(type));
    types.resize(count, Type::normal);
    return types;
  }

 private:
  const GgufFile& file_;
  Json json_;
  JsonFields fields_;
};

BpeVocabulary byte_level(const Settings& settings) {
  BpeVocabulary vocabulary;
  vocabulary.pieces = settings.tokens();
  const std::vector<Type> types = settings.types(vocabulary.pieces.size());
  for (const std::string& merge : settings.list<std::string>("merges", 0))
    vocabulary.merges.push_back(merge_of(merge, settings.where()));
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] != Type::control && types[i] != Type::user_defined) continue;
    BpeAddedToken token;
    token.text = vocabulary.pieces[i];
    token.id = static_cast<int32_t>(i);
    token.special = types[i] == Type::control;
    vocabulary.added.push_back(std::move(token));
  }
  set_pre_tokenizer(vocabulary, settings.pre(), settings.where());
  vocabulary.special = settings.special_ids();
  return vocabulary;
}

/// The bytes of a tokenizer.model.
std::string sentencepiece(const Settings& settings) {
  PieceTable table;
  const std::vector<std::string> tokens = settings.tokens();
  const std::vector<float> scores = settings.list<float>("scores", tokens.size());
  const std::vector<Type> types = settings.types(tokens.size());
  SCCA_CHECK(!scores.empty(), settings.where(), ": no scores, by which pieces are joined");
  for (size_t i = 0; i < tokens.size(); ++i) table.pieces.push_back({tokens[i], scores[i], types[i]});
  table.adds_space_prefix = settings.flag("add_space_prefix", true);
  table.collapses_spaces = settings.flag("remove_extra_whitespaces", false);
  table.bos = settings.id("bos_token_id");
  table.eos = settings.id("eos_token_id");
  return sentencepiece_model(table, settings.where());
}

}  // namespace

int32_t gguf_token_id(const GgufFile& file, const std::string& name) {
  const auto found = file.metadata().find(kPrefix + name);
  if (found == file.metadata().end()) return -1;
  const Json setting{{name, found->second.value}};
  const JsonFields fields(setting, file.path().string() + ": tokenizer.ggml");
  const int64_t id = fields.integer(name.c_str()).value_or(-1);
  return id >= 0 && id < INT32_MAX ? static_cast<int32_t>(id) : -1;
}

std::unique_ptr<TokenizerModel> read_gguf_tokenizer(const GgufFile& file) {
  const Settings settings(file);
  if (settings.is_byte_level()) return std::make_unique<BpeTokenizer>(byte_level(settings), settings.where());
  auto tokenizer = std::make_unique<SentencePieceTokenizer>(sentencepiece(settings), settings.where());
  tokenizer->set_adds_bos(settings.special_ids().adds_bos);
  return tokenizer;
}

void write_tokenizer_files(const GgufFile& file, const fs::path& folder) {
  read_gguf_tokenizer(file);  // nothing is written that would not be read
  const Settings settings(file);
  Json config{{"add_bos_token", settings.special_ids().adds_bos}};
  const std::vector<std::string> tokens = settings.tokens();
  const auto name = [&](const char* key, const char* id) {
    if (const int32_t at = settings.id(id); at >= 0 && static_cast<size_t>(at) < tokens.size())
      config[key] = tokens[static_cast<size_t>(at)];
  };
  name("bos_token", "bos_token_id");
  name("eos_token", "eos_token_id");
  name("unk_token", "unknown_token_id");
  name("pad_token", "padding_token_id");
  if (settings.is_byte_level()) {
    config["tokenizer_class"] = "PreTrainedTokenizerFast";
    write_file(folder / "tokenizer.json", tokenizer_json(byte_level(settings)).dump() + "\n");
  } else {
    config["tokenizer_class"] = "LlamaTokenizer";
    write_file(folder / "tokenizer.model", sentencepiece(settings));
  }
  const auto chat = file.metadata().find("tokenizer.chat_template");
  if (chat != file.metadata().end()) config["chat_template"] = chat->second.value;
  write_file(folder / "tokenizer_config.json", config.dump(2) + "\n");
}

namespace {

struct Token {
  std::string text;
  float score = 0;
  Type type = Type::normal;
};

/// `ends` beside the tokenizer's EOS, which comes first: chat templates and trained documents know that one.
void set_ids(GgufContent& content, const SpecialIds& ids, const std::vector<int64_t>& ends) {
  const auto set = [&](const char* key, int64_t id) {
    if (id >= 0) content.set(kPrefix + std::string(key), static_cast<uint32_t>(id));
  };
  set("bos_token_id", ids.bos);
  set("unknown_token_id", ids.unk);
  std::vector<int64_t> all{ids.eos};
  if (ids.eos < 0) all.clear();
  for (const int64_t id : ends)
    if (std::ranges::find(all, id) == all.end()) all.push_back(id);
  for (size_t i = 0; i < std::min(all.size(), std::size(kGgufEnds)); ++i) set(kGgufEnds[i], all[i]);
  content.set("tokenizer.ggml.add_bos_token", ids.adds_bos);
}

/// Filled up to the model's rows, of which there must be as many as of tokens.
void set_tokens(GgufContent& content, std::vector<Token> tokens, int64_t rows, bool with_scores) {
  SCCA_CHECK(std::ssize(tokens) <= rows, "gguf: the tokenizer has ", tokens.size(),
             " tokens, the model's vocabulary ", rows, "; use files that belong together");
  while (std::ssize(tokens) < rows)
    tokens.push_back({concat("[PAD", tokens.size(), "]"), -1000, Type::unused});
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (Token& token : tokens) {
    texts.push_back(std::move(token.text));
    scores.push_back(token.score);
    types.push_back(static_cast<int32_t>(token.type));
  }
  content.set("tokenizer.ggml.tokens", texts);
  if (with_scores) content.set("tokenizer.ggml.scores", scores);
  content.set("tokenizer.ggml.token_type", types);
}

/// The name of tokenizer.ggml.pre that means what the vocabulary does.
std::string pre_name(const BpeVocabulary& vocabulary, const std::string& where) {
  for (const std::string& name : pre_tokenizer_names()) {
    BpeVocabulary named;
    set_pre_tokenizer(named, name, where);
    if (named.pre_tokenizer == vocabulary.pre_tokenizer && named.normalizer == vocabulary.normalizer &&
        named.byte_level == vocabulary.byte_level && named.ignore_merges == vocabulary.ignore_merges)
      return name;
  }
  fail(where, ": its pre-tokenizer with ignore_merges ", vocabulary.ignore_merges ? "true" : "false",
       " is none of those that are written to GGUF: ", joined(pre_tokenizer_names(), ", "));
}

void set_byte_level(GgufContent& content, const fs::path& file, int64_t vocab_size,
                    const std::vector<int64_t>& ends) {
  const BpeVocabulary vocabulary = read_tokenizer_json(file);
  const BpeTokenizer whole(vocabulary, file.string());  // whose ids have no gaps
  content.set("tokenizer.ggml.model", "gpt2");
  content.set("tokenizer.ggml.pre", pre_name(vocabulary, file.string()));
  std::vector<Token> tokens;
  for (int32_t id = 0; id < whole.vocab_size(); ++id) tokens.push_back({whole.piece(id)});
  for (const BpeAddedToken& added : vocabulary.added)
    tokens[static_cast<size_t>(added.id)].type = added.special ? Type::control : Type::user_defined;
  set_tokens(content, std::move(tokens), vocab_size, false);
  std::vector<std::string> merges;
  for (const auto& [left, right] : vocabulary.merges) merges.push_back(left + " " + right);
  content.set("tokenizer.ggml.merges", merges);
  set_ids(content, vocabulary.special, ends);
}

void set_sentencepiece(GgufContent& content, const fs::path& folder, int64_t vocab_size,
                       const std::vector<int64_t>& ends) {
  const fs::path file = folder / "tokenizer.model";
  const PieceTable table = piece_table(read_text_file(file), file.string());
  content.set("tokenizer.ggml.model", "llama");
  content.set("tokenizer.ggml.pre", "default");
  std::vector<Token> tokens;
  for (const PieceTable::Piece& piece : table.pieces) tokens.push_back({piece.text, piece.score, piece.type});
  const Tokenizer whole(folder);
  for (int64_t id = whole.pieces(); id < whole.vocab_size(); ++id)
    tokens.push_back({whole.piece(static_cast<int32_t>(id)), -1000, Type::user_defined});
  set_tokens(content, std::move(tokens), vocab_size, true);
  content.set("tokenizer.ggml.add_space_prefix", table.adds_space_prefix);
  content.set("tokenizer.ggml.remove_extra_whitespaces", table.collapses_spaces);
  set_ids(content,
          {.bos = whole.bos_id(), .eos = whole.eos_id(), .unk = whole.unk_id(), .adds_bos = whole.adds_bos()},
          ends);
}

}  // namespace

GgufContent gguf_tokenizer(const fs::path& model, int64_t vocab_size, const std::vector<int64_t>& ends) {
  GgufContent content;
  if (is_gguf(model)) {
    const GgufFile file(model);
    for (const auto& [key, entry] : file.metadata())
      if (key.starts_with("tokenizer.")) content.set(key, entry);
    return content;
  }
  if (fs::exists(model / "tokenizer.model"))
    set_sentencepiece(content, model, vocab_size, ends);
  else
    set_byte_level(content, model / "tokenizer.json", vocab_size, ends);
  if (const auto chat = chat_template_text(model)) content.set("tokenizer.chat_template", *chat);
  return content;
}

}  // namespace scca
