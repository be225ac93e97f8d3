#include "models/tokenizer/added_tokens.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/tokenizer_json.h"
#include "models/tokenizer/tokenizer_json_steps.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr char kSettings[] = "tokenizer_config.json", kMap[] = "special_tokens_map.json",
               kList[] = "added_tokens.json", kJson[] = "tokenizer.json";

/// An empty object where there is no such file.
Json read_object(const fs::path& file) {
  if (!fs::exists(file)) return Json::object();
  Json json = parse_json(read_text_file(file), file.string());
  SCCA_CHECK(json.is_object(), file.string(), ": ", short_text(json), ", expected a JSON object");
  return json;
}

/// By id, as the files name them.
class Found {
 public:
  void add(const BpeAddedToken& token, const std::string& where) {
    SCCA_CHECK(!token.text.empty(), where, ": added token ", token.id, " has no text");
    const auto [known, fresh] = tokens_.try_emplace(token.id, token);
    SCCA_CHECK(fresh || known->second.text == token.text, where, ": id ", token.id, " is ",
               short_text(Json(token.text)), ", but the folder's other files have ",
               short_text(Json(known->second.text)));
  }
  std::vector<BpeAddedToken> tokens() const {
    std::vector<BpeAddedToken> tokens;
    for (const auto& [id, token] : tokens_) tokens.push_back(token);
    return tokens;
  }

 private:
  std::map<int32_t, BpeAddedToken> tokens_;
};

int32_t id_of(const std::string& digits, const std::string& where) {
  const bool number =
      !digits.empty() && digits.size() < 10 && digits.find_first_not_of("0123456789") == std::string::npos;
  SCCA_CHECK(number, where, ": added_tokens_decoder has ", short_text(Json(digits)), ", expected a token id");
  return std::stoi(digits);
}

/// {"32000": {"content": "<pad>", "lstrip": false, ...}}
void read_decoder(const Json& decoder, const std::string& where, Found& found) {
  for (const auto& [id, value] : decoder.items()) {
    SCCA_CHECK(value.is_object(), where, ": added token ", short_text(Json(id)), " is ", short_text(value),
               ", expected an object");
    BpeAddedToken token = added_token(JsonFields(value, where));
    token.id = id_of(id, where);
    found.add(token, where);
  }
}

/// {"<pad>": 32000}; special where `named` has it.
void read_list(const Json& list, const std::string& where, const std::vector<NamedToken>& named,
               Found& found) {
  for (const auto& [text, id] : list.items()) {
    SCCA_CHECK(id.is_number_integer() && id >= 0 && id < INT32_MAX, where, ": ", short_text(Json(text)),
               " is ", short_text(id), ", expected a token id");
    BpeAddedToken token;
    token.id = id.get<int32_t>();
    token.text = text;
    token.special = std::ranges::find(named, text, &NamedToken::text) != named.end();
    token.normalized = !token.special;
    found.add(token, where);
  }
}

/// Adds "<s>", {"content": "<s>", ...}, and those in a list or by names.
void read_named(const Json& value, const std::string& where, const std::string& key,
                std::vector<NamedToken>& named) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
    named.push_back({where, key, value.get<std::string>()});
  } else if (value.is_object() && value.contains("content")) {
    read_named(value["content"], where, key, named);
  } else if (value.is_structured()) {
    for (const Json& one : value) read_named(one, where, key, named);
  } else if (!value.is_string() && !value.is_null()) {
    fail(where, ": ", key, " is ", short_text(value), ", expected the text of a token");
  }
}

}  // namespace

BpeAddedToken added_token(const JsonFields& fields) {
  BpeAddedToken token;
  token.text = fields.text("content").value_or("");
  token.single_word = fields.boolean("single_word").value_or(false);
  token.takes_space_before = fields.boolean("lstrip").value_or(false);
  token.takes_space_after = fields.boolean("rstrip").value_or(false);
  token.special = fields.boolean("special").value_or(false);
  token.normalized = fields.boolean("normalized").value_or(!token.special);
  return token;
}

std::optional<bool> adds_bos(const fs::path& folder) {
  const fs::path file = folder / kSettings;
  const Json json = read_object(file);
  return JsonFields(json, file.string()).boolean("add_bos_token");
}

std::vector<NamedToken> named_tokens(const fs::path& folder) {
  std::vector<NamedToken> named;
  for (const char* name : {kSettings, kMap}) {
    const fs::path file = folder / name;
    const Json json = read_object(file);
    for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
                            "mask_token", "additional_special_tokens", "extra_special_tokens"})
      if (json.contains(key) && std::ranges::find(named, key, &NamedToken::key) == named.end())
        read_named(json[key], file.string(), key, named);
  }
  return named;
}

bool NamedToken::is_of_texts() const {
  return key != "pad_token" && key != "sep_token" && key != "cls_token" && key != "mask_token";
}

void refuse_unknown(const NamedToken& token, const char* vocabulary) {
  fail(token.where, ": ", token.key, token.key.ends_with('s') ? " has " : " is ",
       short_text(Json(token.text)), ", which is not in ", vocabulary, "; use files that belong together");
}

std::vector<BpeAddedToken> listed_tokens(const fs::path& folder, const std::vector<BpeAddedToken>& own) {
  Found found;
  const fs::path settings = folder / kSettings, list = folder / kList;
  const Json json = read_object(settings);
  const JsonFields fields(json, settings.string());
  if (const Json* decoder = fields.object("added_tokens_decoder"))
    read_decoder(*decoder, settings.string(), found);
  for (const BpeAddedToken& token : own) found.add(token, (folder / kJson).string());
  read_list(read_object(list), list.string(), named_tokens(folder), found);
  return found.tokens();
}

namespace {

/// What a tokenizer.json says beside its model; nothing where there is none.
BpeVocabulary read_frame(const fs::path& file, bool with_bos) {
  BpeVocabulary frame;
  const Json json = read_object(file);
  if (json.contains("added_tokens")) frame.added = read_added(json["added_tokens"], file.string());
  if (with_bos) read_post_processor(JsonFields(json, file.string()), frame);
  return frame;
}

/// -1 for a text that is no token.
int32_t id_of(const std::string& text, const AddedTokens& added, const TokenizerModel& model) {
  const auto found = std::ranges::find(added.tokens, text, &AddedToken::text);
  if (found == added.tokens.end()) return model.token_id(text);
  return static_cast<int32_t>(model.pieces() + (found - added.tokens.begin()));
}

}  // namespace

AddedTokens read_added_tokens(const fs::path& folder, const TokenizerModel& model) {
  AddedTokens added;
  const fs::path settings = folder / kSettings, file = folder / kJson;
  const Json json = read_object(settings);
  const JsonFields fields(json, settings.string());
  added.legacy = fields.boolean("legacy").value_or(true);
  const auto said = adds_bos(folder);
  const BpeVocabulary frame = read_frame(file, !said);
  added.adds_bos = said.value_or(frame.special.adds_bos);
  const std::vector<BpeAddedToken> listed = listed_tokens(folder, frame.added);
  for (const BpeAddedToken& token : listed) {
    if (token.id < model.pieces()) {
      const std::string own = model.piece(token.id);
      SCCA_CHECK(own == token.text, folder.string(), ": added token ", token.id, " is ",
                 short_text(Json(token.text)), ", but tokenizer.model has ", short_text(Json(own)),
                 " there; use files that belong together");
      continue;
    }
    const int64_t next = model.pieces() + std::ssize(added.tokens);
    SCCA_CHECK(token.id == next, folder.string(), ": added tokens go on with id ", token.id, ", expected ",
               next, ", the first that is free");
    SCCA_CHECK(!token.single_word, folder.string(), ": added token ", short_text(Json(token.text)),
               " is a single_word, which is not implemented");
    added.tokens.push_back(token);
  }
  for (const NamedToken& token : named_tokens(folder)) {
    const int32_t id = id_of(token.text, added, model);
    if (id < 0 && token.is_of_texts()) refuse_unknown(token, "tokenizer.model or a list of added tokens");
    if (token.key == "bos_token") added.bos = id;
    if (token.key == "eos_token") added.eos = id;
  }
  const int32_t bos = added.bos < 0 ? model.special_ids().bos : added.bos;
  SCCA_CHECK(!frame.special.adds_bos || frame.special.bos == bos, file.string(), ": puts id ",
             frame.special.bos, " in front of a text, but BOS is id ", bos,
             "; use files that belong together");
  return added;
}

AddedTokenAt find_added_token(const std::vector<AddedToken>& tokens, std::string_view text, size_t begin,
                              bool special) {
  std::string first_bytes;
  for (const AddedToken& token : tokens) first_bytes += token.text[0];
  AddedTokenAt at;
  for (at.begin = text.find_first_of(first_bytes, begin); at.begin != std::string_view::npos;
       at.begin = text.find_first_of(first_bytes, at.begin + 1)) {
    size_t longest = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const std::string& wanted = tokens[i].text;
      if (tokens[i].special && !special) continue;
      if (wanted.size() <= longest || !text.substr(at.begin).starts_with(wanted)) continue;
      longest = wanted.size();
      at.token = static_cast<int64_t>(i);
    }
    if (at.token >= 0) return at;
  }
  return {text.size(), -1};
}

}  // namespace scca
