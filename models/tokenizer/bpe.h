#pragma once
// Byte-pair encoding (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909): a word's symbols are merged
// pair by pair, the pair that was learned first at first, the leftmost of equal ones.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/bpe_vocabulary.h"
#include "models/tokenizer/number_map.h"

namespace scca {

class Bpe {
 public:
  /// Throws Error beginning with `where` for two pieces that are spelled alike, a merge whose parts or whole
  /// are no pieces, one that comes twice, and an `unknown` that is no piece.
  Bpe(const BpeVocabulary& vocabulary, const std::string& where);

  /// Appends the ids of a word, which is valid UTF-8; returns how many pairs of symbols were looked up. Time
  /// grows as n log n. Of a byte-level vocabulary with pieces for all its bytes a word above two windows is
  /// encoded by windows of so many bytes (long_word.h); any other takes some 50 bytes of memory for each.
  int64_t encode(std::string_view word, std::vector<int32_t>& ids, size_t window = size_t{1} << 13) const;

  /// The bytes that a piece stands for: of a byte-level one what its letters mean, of "<0x0A>" with byte
  /// fallback that byte, of any other itself.
  std::string bytes(int32_t id) const;
  /// -1 for what is no piece's bytes.
  int32_t find(std::string_view bytes) const;
  /// -1 for what is no piece, as the file spells it.
  int32_t find_piece(std::string_view spelled) const;
  /// True for "<0x0A>" with byte fallback.
  bool is_byte(int32_t id) const { return is_byte_[static_cast<size_t>(id)]; }

 private:
  uint64_t merge(int32_t left, int32_t right) const;
  void read_pieces(const BpeVocabulary& vocabulary, const std::string& where);
  void read_merges(const BpeVocabulary& vocabulary, const std::string& where);
  void first_symbols(std::string_view word, std::vector<int32_t>& symbols) const;
  int64_t merge_short(std::vector<int32_t>& symbols) const;
  int64_t merge_long(std::vector<int32_t>& symbols) const;

  int64_t encode_by_windows(std::string_view word, std::vector<int32_t>& ids, size_t window) const;

  bool byte_level_, byte_fallback_, ignore_merges_, fuse_unknown_;
  int32_t unknown_;
  std::vector<std::string> bytes_;  // by id; "<0x0A>" as it is spelled
  std::vector<bool> is_byte_;
  using Ids = std::unordered_map<std::string_view, int32_t>;
  // Of bytes_; apart, byte-level pieces with letters outside the alphabet, which no word has.
  Ids ids_, foreign_ids_;
  std::array<int32_t, 256> byte_ids_;
  NumberMap merges_;  // two ids -> rank and id of what they become
};

/// The byte that a character of GPT-2's alphabet stands for; -1 for another character.
int byte_of_gpt2(char32_t character);

}  // namespace scca
