#include "models/tokenizer/bpe.h"

#include <algorithm>
#include <optional>
#include <queue>

#include "core/check.h"
#include "models/tokenizer/long_word.h"
#include "models/tokenizer/utf8.h"
#include "nn/json.h"

namespace scca {
namespace {

uint64_t pair_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

/// A merge is rank << 32 | id: the least is to be made first.
constexpr uint64_t kNoMerge = NumberMap::kNone;
int32_t made_by(uint64_t merge) { return static_cast<int32_t>(merge & 0xffffffffu); }

/// GPT-2's alphabet: bytes that print stand for themselves, the others for U+0100 onwards in their order.
bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/// The bytes that a byte-level piece spells; empty for one with a character outside the alphabet.
std::optional<std::string> gpt2_bytes(std::string_view piece) {
  std::string bytes;
  while (!piece.empty()) {
    const size_t length = utf8_character(piece);
    if (length == 0) return std::nullopt;
    const int byte = byte_of_gpt2(code_point(piece.substr(0, length)));
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    piece.remove_prefix(length);
  }
  return bytes;
}

/// "<0x0A>" is 10; -1 for any other.
int fallback_byte(const std::string& piece) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const size_t high = kDigits.find(piece[3]), low = kDigits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(16 * high + low);
}

}  // namespace

int byte_of_gpt2(char32_t character) {
  static const std::array<int, 0x144> kBytes = [] {
    std::array<int, 0x144> bytes;
    bytes.fill(-1);
    size_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte)
      bytes[stands_for_itself(byte) ? static_cast<size_t>(byte) : next++] = byte;
    return bytes;
  }();
  return character < kBytes.size() ? kBytes[character] : -1;
}

std::pair<std::string, std::string> merge_of(const std::string& text, const std::string& where) {
  const size_t space = text.find(' ');
  SCCA_CHECK(space != std::string::npos && text.find(' ', space + 1) == std::string::npos, where, ": merge ",
             short_text(Json(text)), ", expected two pieces with a space between");
  return {text.substr(0, space), text.substr(space + 1)};
}

Bpe::Bpe(const BpeVocabulary& vocabulary, const std::string& where)
    : byte_level_(vocabulary.byte_level),
      byte_fallback_(vocabulary.byte_fallback),
      ignore_merges_(vocabulary.ignore_merges),
      fuse_unknown_(vocabulary.fuse_unknown),
      unknown_(vocabulary.unknown),
      merges_(vocabulary.merges.size()) {
  SCCA_CHECK(!vocabulary.pieces.empty() && vocabulary.pieces.size() < INT32_MAX, where, ": ",
             vocabulary.pieces.size(), " pieces, expected at least one and fewer than 2^31");
  SCCA_CHECK(unknown_ >= -1 && unknown_ < std::ssize(vocabulary.pieces), where, ": the unknown token is id ",
             unknown_, ", expected one of the ", vocabulary.pieces.size(), " pieces");
  SCCA_CHECK(
      !byte_level_ || !byte_fallback_, where,
      ": byte_fallback with a byte-level vocabulary, which has a piece for each byte anyway; expected one "
      "of the two");
  read_pieces(vocabulary, where);
  read_merges(vocabulary, where);
}

void Bpe::read_pieces(const BpeVocabulary& vocabulary, const std::string& where) {
  const size_t count = vocabulary.pieces.size();
  bytes_.reserve(count);  // ids_ looks into it
  is_byte_.resize(count);
  ids_.reserve(count);
  byte_ids_.fill(-1);
  for (size_t i = 0; i < count; ++i) {
    const std::string& piece = vocabulary.pieces[i];
    const auto id = static_cast<int32_t>(i);
    const auto spelled = byte_level_ ? gpt2_bytes(piece) : piece;
    bytes_.push_back(spelled.value_or(piece));
    const auto [known, fresh] = (spelled ? ids_ : foreign_ids_).emplace(bytes_.back(), id);
    SCCA_CHECK(fresh, where, ": ids ", known->second, " and ", id, " are both ", short_text(Json(piece)),
               ", expected each piece once");
    if (byte_level_ && spelled && spelled->size() == 1)
      byte_ids_[static_cast<unsigned char>((*spelled)[0])] = id;
    const int byte = byte_fallback_ ? fallback_byte(piece) : -1;
    if (byte >= 0) byte_ids_[static_cast<size_t>(byte)] = id, is_byte_[i] = true;
  }
}

void Bpe::read_merges(const BpeVocabulary& vocabulary, const std::string& where) {
  Ids spelled;
  if (byte_level_)  // merges are spelled as the pieces are
    for (size_t i = 0; i < vocabulary.pieces.size(); ++i)
      spelled.emplace(vocabulary.pieces[i], static_cast<int32_t>(i));
  const Ids& ids = byte_level_ ? spelled : ids_;
  uint32_t rank = 0;
  for (const auto& merge : vocabulary.merges) {  // no binding: a lambda below holds both (Clang before 16)
    const std::string &left = merge.first, &right = merge.second;
    const auto id_of = [&](const std::string& piece) {
      const auto found = ids.find(piece);
      SCCA_CHECK(found != ids.end(), where, ": merge ", rank, " of ", short_text(Json(left)), " and ",
                 short_text(Json(right)), " needs the piece ", short_text(Json(piece)),
                 ", which is not in the vocabulary");
      return found->second;
    };
    SCCA_CHECK(!left.empty() && !right.empty(), where, ": merge ", rank, " joins ", short_text(Json(left)),
               " and ", short_text(Json(right)), ", expected two pieces that are not empty");
    const bool fresh = merges_.insert(pair_of(id_of(left), id_of(right)),
                                      uint64_t{rank} << 32 | static_cast<uint32_t>(id_of(left + right)));
    SCCA_CHECK(fresh, where, ": merge ", rank, " of ", short_text(Json(left)), " and ",
               short_text(Json(right)), " comes a second time, expected each pair once");
    ++rank;
  }
}

std::string Bpe::bytes(int32_t id) const {
  const std::string& spelled = bytes_[static_cast<size_t>(id)];
  return is_byte(id) ? std::string(1, static_cast<char>(fallback_byte(spelled))) : spelled;
}

int32_t Bpe::find(std::string_view bytes) const {
  const auto found = ids_.find(bytes);
  return found == ids_.end() ? -1 : found->second;
}

int32_t Bpe::find_piece(std::string_view spelled) const {
  const auto bytes = byte_level_ ? gpt2_bytes(spelled) : std::string(spelled);
  const Ids& ids = bytes ? ids_ : foreign_ids_;
  const auto found = ids.find(bytes ? *bytes : spelled);
  return found == ids.end() ? -1 : found->second;
}

uint64_t Bpe::merge(int32_t left, int32_t right) const { return merges_.find(pair_of(left, right)); }

int64_t Bpe::encode(std::string_view word, std::vector<int32_t>& ids, size_t window) const {
  if (ignore_merges_)
    if (const int32_t whole = find(word); whole >= 0) {
      ids.push_back(whole);
      return 0;
    }
  const auto known = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)] >= 0; };
  if (word.size() / 2 > window && byte_level_ && std::ranges::all_of(word, known))
    return encode_by_windows(word, ids, window);
  std::vector<int32_t> symbols;
  first_symbols(word, symbols);
  constexpr size_t kShort = 64;  // below it the list is faster to scan than a heap to keep
  const int64_t pairs = symbols.size() <= kShort ? merge_short(symbols) : merge_long(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  return pairs;
}

int64_t Bpe::encode_by_windows(std::string_view word, std::vector<int32_t>& ids, size_t window) const {
  int64_t pairs = 0;
  const auto encode = [&](std::string_view text) {
    std::vector<int32_t> symbols;
    first_symbols(text, symbols);
    pairs += merge_long(symbols);
    std::vector<WordSymbol> result;
    for (const int32_t id : symbols) result.push_back({bytes_[static_cast<size_t>(id)].size(), {id}});
    return result;
  };
  const std::vector<int32_t> all = encode_long_word(word, encode, window);
  ids.insert(ids.end(), all.begin(), all.end());
  return pairs;
}

/// A character each, or a byte each. A row of unknown ones is one symbol where they are fused; as in
/// `tokenizers`, one that falls back to bytes does not end a row.
void Bpe::first_symbols(std::string_view word, std::vector<int32_t>& symbols) const {
  symbols.reserve(word.size());
  bool unknown = false;
  const auto end_unknown = [&] {
    if (unknown) symbols.push_back(unknown_);
    unknown = false;
  };
  while (!word.empty()) {
    const size_t length = byte_level_ ? 1 : std::max<size_t>(utf8_character(word), 1);
    const std::string_view character = word.substr(0, length);
    word.remove_prefix(length);
    const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
    const int32_t id = byte_level_ ? byte_id(character[0]) : find(character);
    if (id >= 0) {
      end_unknown();
      symbols.push_back(id);
    } else if (byte_fallback_ &&
               std::ranges::all_of(character, [&](char byte) { return byte_id(byte) >= 0; })) {
      for (const char byte : character) symbols.push_back(byte_id(byte));
    } else if (unknown_ >= 0) {
      if (!fuse_unknown_) end_unknown();
      unknown = true;
    }
  }
  end_unknown();
}

int64_t Bpe::merge_short(std::vector<int32_t>& symbols) const {
  if (symbols.size() < 2) return 0;
  int64_t pairs = 0;
  const auto look_up = [&](size_t left) {
    ++pairs;
    return merge(symbols[left], symbols[left + 1]);
  };
  std::vector<uint64_t> merges(symbols.size() - 1);
  for (size_t i = 0; i < merges.size(); ++i) merges[i] = look_up(i);
  while (!merges.empty()) {
    const auto best = std::ranges::min_element(merges);
    if (*best == kNoMerge) break;
    const auto i = best - merges.begin();
    symbols[static_cast<size_t>(i)] = made_by(*best);
    symbols.erase(symbols.begin() + i + 1);
    merges.erase(best);
    if (i > 0) merges[static_cast<size_t>(i - 1)] = look_up(static_cast<size_t>(i - 1));
    if (i < std::ssize(merges)) merges[static_cast<size_t>(i)] = look_up(static_cast<size_t>(i));
  }
  return pairs;
}

/// The same by a heap of what can be merged and a linked list of what is left.
int64_t Bpe::merge_long(std::vector<int32_t>& symbols) const {
  struct Candidate {
    uint64_t merge;
    size_t left;
    bool operator>(const Candidate& other) const {
      return merge != other.merge ? merge > other.merge : left > other.left;
    }
  };
  const size_t count = symbols.size();
  constexpr int32_t kGone = -1;
  std::vector<size_t> before(count), behind(count);  // count: none
  for (size_t i = 0; i < count; ++i) before[i] = i == 0 ? count : i - 1, behind[i] = i + 1;
  int64_t pairs = 0;
  const auto look_up = [&](size_t left) {
    ++pairs;
    return merge(symbols[left], symbols[behind[left]]);
  };
  std::vector<Candidate> found;
  for (size_t i = 0; i + 1 < count; ++i)
    if (const uint64_t merge = look_up(i); merge != kNoMerge) found.push_back({merge, i});
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap({}, std::move(found));
  while (!heap.empty()) {
    const Candidate best = heap.top();
    heap.pop();
    const size_t left = best.left, right = behind[left];
    // What it named may have been merged with something else since.
    if (symbols[left] == kGone || right == count || look_up(left) != best.merge) continue;
    symbols[left] = made_by(best.merge);
    symbols[right] = kGone;
    behind[left] = behind[right];
    if (behind[left] < count) before[behind[left]] = left;
    for (const size_t changed : {before[left], left})
      if (changed < count && behind[changed] < count)
        if (const uint64_t merge = look_up(changed); merge != kNoMerge) heap.push({merge, changed});
  }
  std::erase(symbols, kGone);
  return pairs;
}

}  // namespace scca
