#include "models/tokenizer/long_word.h"

#include <algorithm>

namespace scca {
namespace {

struct Window {
  size_t begin = 0;
  std::string_view last = {};  // the text of its last symbol
  WordSymbol last_symbol = {};
  size_t ids = 0;  // how many there were before it
};

/// The end of a window: no character is cut.
size_t end_of(std::string_view word, size_t end) {
  if (end >= word.size()) return word.size();
  while ((static_cast<unsigned char>(word[end]) & 0xc0) == 0x80) --end;
  return end;
}

/// Whether two symbols that stand side by side stay as they are.
bool stay_apart(const EncodeSymbols& encode, const Window& left, const WordSymbol& right) {
  const std::string_view both(left.last.data(), left.last.size() + right.bytes);
  return encode(both) == std::vector<WordSymbol>{left.last_symbol, right};
}

}  // namespace

std::vector<int32_t> encode_long_word(std::string_view word, const EncodeSymbols& encode, size_t window) {
  std::vector<int32_t> ids;
  std::vector<Window> windows;
  size_t size = window, failed_at = 0;
  for (size_t begin = 0; begin < word.size();) {
    const size_t end = end_of(word, begin + size);
    const std::vector<WordSymbol> symbols = encode(word.substr(begin, end - begin));
    if (!windows.empty() && !stay_apart(encode, windows.back(), symbols.front())) {
      failed_at = std::max(failed_at, begin);
      size *= 2;
      begin = windows.back().begin;
      ids.resize(windows.back().ids);
      windows.pop_back();
      continue;
    }
    Window& done = windows.emplace_back(Window{.begin = begin, .ids = ids.size()});
    // What stands near the window's end may come out otherwise with more behind it.
    const size_t keep = end == word.size() ? end : end - (end - begin) / 8;
    for (const WordSymbol& symbol : symbols) {
      if (begin + symbol.bytes > keep && begin > done.begin) break;
      ids.insert(ids.end(), symbol.ids.begin(), symbol.ids.end());
      done.last = word.substr(begin, symbol.bytes);
      done.last_symbol = symbol;
      begin += symbol.bytes;
    }
    if (begin > failed_at) size = window;
  }
  return ids;
}

}  // namespace scca
