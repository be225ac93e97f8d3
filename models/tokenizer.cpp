#include "models/tokenizer.h"

#include <sentencepiece_processor.h>

#include <unordered_map>

#include "core/check.h"
#include "core/file.h"
#include "models/sentencepiece_settings.h"
#include "models/utf8.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, how pieces spell a space

/// True when a piece has a space after something else, so that it may reach over a word's start.
bool spans_words(std::string_view piece) {
  while (piece.substr(0, kSpace.size()) == kSpace) piece.remove_prefix(kSpace.size());
  return piece.find(kSpace) != std::string_view::npos || piece.find('\n') != std::string_view::npos;
}

}  // namespace

Tokenizer::Tokenizer(const fs::path& folder_or_file)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  const bool folder = fs::is_directory(folder_or_file);
  const fs::path file = folder ? folder_or_file / "tokenizer.model" : folder_or_file;
  if (folder && !fs::exists(file) && fs::exists(folder_or_file / "tokenizer.json"))
    fail(file.string(), ": not there; tokenizer.json is not read, only SentencePiece's tokenizer.model is");
  const std::string serialized = read_text_file(file);
  SCCA_CHECK(!serialized.empty() && processor_->LoadFromSerializedProto(serialized).ok(), file.string(),
             ": no SentencePiece model");
  space_id_ = processor_->PieceToId(std::string(kSpace));
  by_words_ = words_are_independent(serialized);
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

/// Whether encode_by_words gives what encode_whole gives: nothing of the text is rewritten before it is
/// split, and no piece reaches over the start of a word or a line.
bool Tokenizer::words_are_independent(std::string_view serialized) const {
  const auto settings = sentencepiece_settings(serialized);
  if (!settings || !settings->is_bpe || settings->rewrites_text || !settings->adds_leading_space ||
      settings->spaces_at_end)
    return false;
  const int newline = processor_->PieceToId("<0x0A>");
  if (!processor_->IsByte(newline) || encode_whole("\n") != std::vector<int32_t>{space_id_, newline})
    return false;
  for (int id = 0; id < processor_->GetPieceSize(); ++id)
    if (!processor_->IsControl(id) && spans_words(processor_->IdToPiece(id))) return false;
  return true;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_bos) const {
  SCCA_CHECK(!add_bos || bos_id() >= 0, "tokenizer: its vocabulary has no BOS to put in front");
  // A literal U+2581 is a space to the library; rare, so not worth a rule of its own.
  const bool by_words = by_words_ && text.find(kSpace) == std::string_view::npos;
  std::vector<int32_t> ids = by_words ? encode_by_words(text) : encode_whole(text);
  if (add_bos) ids.insert(ids.begin(), bos_id());
  return ids;
}

std::vector<int32_t> Tokenizer::encode_whole(std::string_view text) const {
  std::vector<int32_t> ids;
  const auto status = processor_->Encode(text, &ids);
  SCCA_CHECK(status.ok(), "tokenizer: the text cannot be encoded: ", status.ToString());
  return ids;
}

/// Encodes each word once and looks it up after that: on books six times as fast as the whole text at once.
/// The library puts a space in front of what it is given: a word is given without the space that it begins
/// with, and what begins with a newline has the piece of that space removed.
std::vector<int32_t> Tokenizer::encode_by_words(std::string_view text) const {
  std::unordered_map<std::string_view, std::vector<int32_t>> known;
  std::vector<int32_t> ids;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && text[end] != '\n' && (text[end] != ' ' || text[end - 1] == ' ')) ++end;
    const std::string_view word = text.substr(begin, end - begin);
    const bool first = begin == 0;
    begin = end;
    if (first) {
      ids = encode_whole(word);
      continue;
    }
    auto found = known.find(word);
    if (found == known.end()) {
      std::vector<int32_t> fresh = encode_whole(word[0] == ' ' ? word.substr(1) : word);
      if (word[0] == '\n') fresh.erase(fresh.begin());
      if (word == " ") fresh = {space_id_};
      found = known.emplace(word, std::move(fresh)).first;
    }
    ids.insert(ids.end(), found->second.begin(), found->second.end());
  }
  return ids;
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids) const {
  check_ids(ids);
  std::string text;
  const auto status = processor_->Decode(ids, &text);
  SCCA_CHECK(status.ok(), "tokenizer: the ids cannot be decoded: ", status.ToString());
  return valid_utf8(text);
}

int64_t Tokenizer::vocab_size() const { return processor_->GetPieceSize(); }
int32_t Tokenizer::bos_id() const { return processor_->bos_id(); }
int32_t Tokenizer::eos_id() const { return processor_->eos_id(); }
int32_t Tokenizer::unk_id() const { return processor_->unk_id(); }

std::string Tokenizer::piece(int32_t id) const {
  check_ids({id});
  return processor_->IdToPiece(id);
}

bool Tokenizer::is_byte(int32_t id) const {
  check_ids({id});
  return processor_->IsByte(id);
}

void Tokenizer::check_ids(const std::vector<int32_t>& ids) const {
  for (int32_t id : ids)
    SCCA_CHECK(id >= 0 && id < vocab_size(), "tokenizer: id ", id, " is beyond the vocabulary of ",
               vocab_size());
}

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<int32_t> before)
    : tokenizer_(tokenizer), context_(std::move(before)) {
  tokenizer.check_ids(context_);
}

std::string TextStream::push(int32_t id) {
  if (tokenizer_.is_byte(id))
    pending_bytes_ +=
        static_cast<char>(std::stoi(tokenizer_.piece(id).substr(3, 2), nullptr, 16));  // "<0x0A>"
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
