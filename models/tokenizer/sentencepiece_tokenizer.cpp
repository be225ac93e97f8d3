#include "models/tokenizer/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/check.h"
#include "models/tokenizer/sentencepiece_model.h"
#include "models/tokenizer/sentencepiece_settings.h"
#include "models/tokenizer/utf8.h"
#include "nn/json.h"

namespace scca {
namespace {

constexpr std::string_view kWhitespace = " \t\n\r\v\f";
constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, how pieces spell a space

/// True when a piece has a space after something else, so that it may reach over a word's start.
bool spans_words(std::string_view piece) {
  while (piece.substr(0, kSpace.size()) == kSpace) piece.remove_prefix(kSpace.size());
  return piece.find(kSpace) != std::string_view::npos || piece.find_first_of(" \n") != std::string_view::npos;
}

/// False where a text is not merged character by character in the order of scores, to the end: user-defined
/// pieces are found before that, unused ones taken apart behind it.
bool merges_by_scores_alone(const PieceTable& table) {
  return std::ranges::all_of(table.pieces, [](const PieceTable::Piece& piece) {
    return piece.type != PieceTable::Type::user_defined && piece.type != PieceTable::Type::unused &&
           !std::isnan(piece.score);
  });
}

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

/// Bytes of a word from which on it is encoded by windows. The library needs 230 bytes for each.
constexpr size_t kLongWord = size_t{1} << 14;

/// False for bytes that are no model. The library says so by a status, or throws (its tables take no piece
/// that begins with a zero byte).
bool loads(sentencepiece::SentencePieceProcessor& processor, std::string_view serialized) {
  try {
    return !serialized.empty() && processor.LoadFromSerializedProto(serialized).ok();
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::string_view serialized, const std::string& where)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  SCCA_CHECK(loads(*processor_, serialized), where, ": no SentencePiece model");
  space_id_ = processor_->PieceToId(std::string(kSpace));
  newline_id_ = processor_->PieceToId("<0x0A>");
  by_words_ = words_are_independent(serialized);
  by_windows_ = by_words_ && merges_by_scores_alone(piece_table(serialized, where));
  cuts_ = cuts();
}

void SentencePieceTokenizer::add(AddedTokens added, const std::string& where) {
  SCCA_CHECK(
      added.tokens.empty() || added.legacy || by_words_, where,
      ": added tokens with legacy false are implemented for LLaMA's kind of SentencePiece model alone");
  added_ = std::move(added);
  cuts_ = cuts();
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

/// Whether encode_by_words gives what encode_whole gives: nothing of the text is rewritten before it is
/// split, and no piece reaches over the start of a word or a line.
bool SentencePieceTokenizer::words_are_independent(std::string_view serialized) const {
  const auto settings = sentencepiece_settings(serialized);
  if (!settings || !settings->is_bpe || settings->rewrites_text || !settings->adds_leading_space ||
      settings->spaces_at_end)
    return false;
  if (!processor_->IsByte(newline_id_) || encode_whole("\n") != std::vector<int32_t>{space_id_, newline_id_})
    return false;
  for (int id = 0; id < processor_->GetPieceSize(); ++id)
    if (!processor_->IsControl(id) && spans_words(processor_->IdToPiece(id))) return false;
  return true;
}

/// Before a space or newline that begins a word.
TextCuts SentencePieceTokenizer::cuts() const {
  if (!by_words_) return {};
  std::vector<std::string> tokens;
  for (const AddedToken& token : added_.tokens) tokens.push_back(token.text);
  return {{CutPlaces::Left::visible, CutPlaces::Left::visible}, std::move(tokens)};
}

/// `special`: special added tokens are found too.
std::vector<int32_t> SentencePieceTokenizer::encode_sections(std::string_view text, bool special,
                                                             Stands stands) const {
  std::vector<int32_t> ids;
  bool strip = false;
  for (size_t begin = 0; begin < text.size();) {
    const AddedTokenAt next = added_.tokens.empty() ? AddedTokenAt{text.size(), -1}
                                                    : find_added_token(added_.tokens, text, begin, special);
    const AddedToken* token = next.token < 0 ? nullptr : &added_.tokens[static_cast<size_t>(next.token)];
    std::string_view between = text.substr(begin, next.begin - begin);
    if (strip) between.remove_prefix(std::min(between.find_first_not_of(kWhitespace), between.size()));
    if (token && token->takes_space_before)
      between = between.substr(0, between.find_last_not_of(kWhitespace) + 1);
    if (!between.empty()) {
      const bool spaced =
          begin > 0 || stands == Stands::behind_token ? added_.legacy : stands == Stands::first;
      const std::vector<int32_t> plain = spaced ? encode_section(between) : encode_behind(between);
      ids.insert(ids.end(), plain.begin(), plain.end());
    }
    if (!token) break;
    ids.push_back(static_cast<int32_t>(pieces() + next.token));
    strip = token->takes_space_after;
    begin = next.begin + token->text.size();
  }
  return ids;
}

/// A text without added tokens.
std::vector<int32_t> SentencePieceTokenizer::encode_section(std::string_view text) const {
  if (!by_words_) return encode_whole(text);
  if (text.find(kSpace) == std::string_view::npos) return encode_by_words(text);
  std::string spaced;  // a literal U+2581 is a space to the library
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(kSpace, at), text.size());
    spaced += text.substr(at, end - at);
    if (end < text.size()) spaced += ' ';
    at = end + kSpace.size();
  }
  return encode_by_words(spaced);
}

/// The same without the space that the library puts in front: behind a newline there is none.
std::vector<int32_t> SentencePieceTokenizer::encode_behind(std::string_view text) const {
  SCCA_CHECK(
      by_words_,
      "tokenizer: text behind a token with legacy false is implemented for LLaMA's kind of SentencePiece "
      "model alone");
  std::vector<int32_t> ids = encode_section("\n" + std::string(text));
  ids.erase(ids.begin(), ids.begin() + 2);  // that space's piece and the newline
  return ids;
}

std::vector<int32_t> SentencePieceTokenizer::encode_whole(std::string_view text) const {
  std::vector<int32_t> ids;
  const auto status = processor_->Encode(text, &ids);
  SCCA_CHECK(status.ok(), "tokenizer: the text cannot be encoded: ", status.ToString());
  return ids;
}

/// The library puts a space in front of what it is given: but for the first one a word is given without the
/// space that it begins with, and what begins with a newline has the piece of that space removed. A long word
/// of a model that merges in another way than long_word.h takes is given as a whole, which takes 230 bytes of
/// memory for each of its own.
std::vector<int32_t> SentencePieceTokenizer::encode_word(std::string_view word, bool first) const {
  if (by_windows_ && word.size() >= kLongWord && valid_utf8(word) == word) {
    const std::string spaced = first ? " " + std::string(word) : "";
    return encode_long_word(first ? spaced : word,
                            [&](std::string_view text) { return encode_symbols(text); });
  }
  if (first) return encode_whole(word);
  if (word == " ") return {space_id_};
  std::vector<int32_t> ids = encode_whole(word[0] == ' ' ? word.substr(1) : word);
  if (word[0] == '\n') ids.erase(ids.begin());
  return ids;
}

/// A text within a word, symbol by symbol; behind a newline the library puts no space in front.
std::vector<WordSymbol> SentencePieceTokenizer::encode_symbols(std::string_view text) const {
  const std::vector<int32_t> ids = encode_whole("\n" + std::string(text));
  std::vector<WordSymbol> symbols;
  for (size_t i = 2; i < ids.size();) {  // behind that space's piece and the newline
    WordSymbol& symbol = symbols.emplace_back();
    if (processor_->IsByte(ids[i])) {
      symbol.bytes = utf8_character(text);
      symbol.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(i),
                        ids.begin() + static_cast<std::ptrdiff_t>(i + symbol.bytes));
    } else {
      const std::string& piece = processor_->IdToPiece(ids[i]);
      symbol = {piece.size() - count_of(piece, kSpace) * (kSpace.size() - 1), {ids[i]}};
    }
    SCCA_CHECK(symbol.bytes > 0 && symbol.bytes <= text.size(), "tokenizer: the library's piece ",
               short_text(Json(processor_->IdToPiece(ids[i]))), " is not what stands in the text");
    text.remove_prefix(symbol.bytes);
    i += symbol.ids.size();
  }
  return symbols;
}

/// Encodes each word once and looks it up after that: on books six times as fast as the whole text at once.
std::vector<int32_t> SentencePieceTokenizer::encode_by_words(std::string_view text) const {
  std::unordered_map<std::string_view, std::vector<int32_t>> known;
  std::vector<int32_t> ids;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && text[end] != '\n' && (text[end] != ' ' || text[end - 1] == ' ')) ++end;
    const std::string_view word = text.substr(begin, end - begin);
    const bool first = begin == 0;
    begin = end;
    if (first || word.size() >= kLongWord) {
      const std::vector<int32_t> once = encode_word(word, first);
      ids.insert(ids.end(), once.begin(), once.end());
      continue;
    }
    auto found = known.find(word);
    if (found == known.end()) {
      found = known.emplace(word, encode_word(word, false)).first;
    }
    ids.insert(ids.end(), found->second.begin(), found->second.end());
  }
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<int32_t>& ids) const {
  std::string text;
  for (auto begin = ids.begin(); begin != ids.end();) {
    const auto end = std::find_if(begin, ids.end(), [&](int32_t id) { return added(id) != nullptr; });
    text += decode_pieces({begin, end}, begin != ids.begin() && !added_.legacy);
    if (end == ids.end()) break;
    if (!added(*end)->special) text += added(*end)->text;
    begin = end + 1;
  }
  return text;
}

/// `behind`: as encode_behind made them, so that a space in front is text.
std::string SentencePieceTokenizer::decode_pieces(const std::vector<int32_t>& ids, bool behind) const {
  std::vector<int32_t> all = ids;
  if (behind) all.insert(all.begin(), newline_id_);
  std::string text;
  const auto status = processor_->Decode(all, &text);
  SCCA_CHECK(status.ok(), "tokenizer: the ids cannot be decoded: ", status.ToString());
  return behind ? text.substr(1) : text;
}

int32_t SentencePieceTokenizer::token_id(std::string_view spelled) const {
  for (size_t i = 0; i < added_.tokens.size(); ++i)
    if (added_.tokens[i].text == spelled) return static_cast<int32_t>(pieces() + static_cast<int64_t>(i));
  const int32_t id = processor_->PieceToId(spelled);  // of an unknown spelling UNK's
  return processor_->IdToPiece(id) == spelled && !processor_->IsByte(id) ? id : -1;
}

const AddedToken* SentencePieceTokenizer::added(int32_t id) const {
  return id < pieces() ? nullptr : &added_.tokens.at(static_cast<size_t>(id - pieces()));
}

int64_t SentencePieceTokenizer::pieces() const { return processor_->GetPieceSize(); }
SpecialIds SentencePieceTokenizer::special_ids() const {
  return {added_.bos < 0 ? processor_->bos_id() : added_.bos,
          added_.eos < 0 ? processor_->eos_id() : added_.eos, processor_->unk_id(), added_.adds_bos};
}

std::string SentencePieceTokenizer::piece(int32_t id) const {
  return added(id) ? added(id)->text : processor_->IdToPiece(id);
}

bool SentencePieceTokenizer::is_byte(int32_t id) const { return !added(id) && processor_->IsByte(id); }

std::optional<std::string> SentencePieceTokenizer::loose_bytes(int32_t id) const {
  if (!is_byte(id)) return std::nullopt;
  return std::string(1, static_cast<char>(std::stoi(piece(id).substr(3, 2), nullptr, 16)));  // "<0x0A>"
}

}  // namespace scca
