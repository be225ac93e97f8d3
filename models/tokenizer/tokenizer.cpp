#include "models/tokenizer/tokenizer.h"

#include "core/check.h"
#include "core/file.h"
#include "models/files/model_folder.h"
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/gguf_tokenizer.h"
#include "models/tokenizer/sentencepiece_model.h"
#include "models/tokenizer/sentencepiece_tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "models/tokenizer/utf8.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr char kSentencePiece[] = "tokenizer.model", kJson[] = "tokenizer.json";

std::unique_ptr<TokenizerModel> read_json(const fs::path& file) {
  return std::make_unique<BpeTokenizer>(read_tokenizer_json(file), file.string());
}

/// A folder's, or a file's alone.
std::unique_ptr<TokenizerModel> read_sentencepiece(const fs::path& file, const fs::path& folder) {
  const std::string bytes = read_text_file(file);
  if (is_tiktoken(bytes)) {
    const fs::path json = folder / kJson;
    if (!folder.empty() && fs::exists(json)) return read_json(json);
    fail(file.string(),
         ": is a list of tiktoken's ranks, not a SentencePiece model; get the tokenizer.json "
         "of the same model");
  }
  auto model = std::make_unique<SentencePieceTokenizer>(bytes, file.string());
  if (!folder.empty()) model->add(read_added_tokens(folder, *model), folder.string());
  return model;
}

std::unique_ptr<TokenizerModel> model_of(const fs::path& path) {
  if (is_gguf(path)) return read_gguf_tokenizer(GgufFile(path));
  if (!fs::is_directory(path))
    return path.extension() == ".json" ? read_json(path) : read_sentencepiece(path, "");
  // Where both are there, tokenizer.json was converted from tokenizer.model, and converters differ in what
  // they do with spaces around added tokens: the original is read.
  if (fs::exists(path / kSentencePiece)) return read_sentencepiece(path / kSentencePiece, path);
  if (fs::exists(path / kJson)) return read_json(path / kJson);
  fail(why_no_model(path, "tokenizer.model or tokenizer.json"));
}

}  // namespace

Tokenizer::Tokenizer(const fs::path& folder_or_file)
    : model_(model_of(folder_or_file)), path_(folder_or_file) {}
Tokenizer::Tokenizer(std::unique_ptr<TokenizerModel> model) : model_(std::move(model)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_bos) const {
  SCCA_CHECK(!add_bos || bos_id() >= 0, "tokenizer: its vocabulary has no BOS to put in front");
  std::vector<int32_t> ids = model_->encode(text);
  if (add_bos) ids.insert(ids.begin(), bos_id());
  return ids;
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids) const {
  check_ids(ids);
  return valid_utf8(model_->decode(ids));
}

std::string Tokenizer::piece(int32_t id) const {
  check_ids({id});
  return model_->piece(id);
}

bool Tokenizer::is_byte(int32_t id) const {
  check_ids({id});
  return model_->is_byte(id);
}

std::optional<std::string> Tokenizer::loose_bytes(int32_t id) const {
  check_ids({id});
  return model_->loose_bytes(id);
}

void Tokenizer::check_ids(const std::vector<int32_t>& ids) const {
  const int64_t size = vocab_size();
  for (int32_t id : ids)
    SCCA_CHECK(id >= 0 && id < size, "tokenizer: id ", id, " is beyond the vocabulary of ", size);
}

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<int32_t> before)
    : tokenizer_(tokenizer), context_(std::move(before)) {
  tokenizer.check_ids(context_);
}

std::string TextStream::push(int32_t id) {
  if (const auto bytes = tokenizer_.loose_bytes(id))
    pending_bytes_ += *bytes;
  else
    pending_bytes_.clear();
  pending_.push_back(id);
  return ends_within_character(pending_bytes_) ? "" : finish();
}

std::string TextStream::finish() {
  // A piece's text depends on whether text stands before it, so it is decoded behind its predecessors.
  const size_t given = tokenizer_.decode(context_).size();
  std::vector<int32_t> all = context_;
  all.insert(all.end(), pending_.begin(), pending_.end());
  const std::string text = tokenizer_.decode(all).substr(given);
  const bool stands_alone = !tokenizer_.decode(pending_).empty();
  context_ = stands_alone ? std::move(pending_) : std::move(all);
  pending_.clear();
  pending_bytes_.clear();
  return text;
}

}  // namespace scca
