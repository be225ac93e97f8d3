#pragma once
// Byte-pair encoding of a word too long to be encoded at once, window by window, with the ids of the whole.
//
// Merges are local, but what they come to is not: of a row of "a" each id depends on how many stand left of
// it. What decides is this. Let the last symbol of one text's encoding and the first of the next one's,
// joined and encoded by themselves, come out as these two again. Then the encoding of both texts joined is
// their encodings, one behind the other. For suppose that a merge goes over the boundary, and take the first
// that does. Until then both sides went on as they do alone, and at the boundary as the two symbols do alone:
// of two symbols' next merges that with the better score comes first (of equal ones the left), here and
// there. So the two symbols would be in the same state when they are encoded by themselves, and be merged
// there too.
//
// A window's encoding is therefore kept up to a symbol some way before its end, the next window begins behind
// that symbol, and the pair of symbols at the boundary is encoded as a check. Where it fails, the window
// before is made again, twice as long; at the worst all of the word is one window.
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace scca {

/// What becomes one piece, or a character that falls back to the pieces of its bytes.
struct WordSymbol {
  size_t bytes = 0;  // of the text
  std::vector<int32_t> ids = {};

  bool operator==(const WordSymbol&) const = default;
};

/// Encodes a text that stands within a word, merging by scores of their own order alone.
using EncodeSymbols = std::function<std::vector<WordSymbol>(std::string_view text)>;

/// The ids of `word`, which is valid UTF-8. `window`: in bytes; longer than any symbol.
std::vector<int32_t> encode_long_word(std::string_view word, const EncodeSymbols& encode,
                                      size_t window = size_t{1} << 13);

}  // namespace scca
