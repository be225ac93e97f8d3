#include "train/evaluation/longbench/text.h"

#include <locale.h>
#include <wctype.h>

#include "core/check.h"
#include "models/tokenizer/utf8.h"

namespace scca::longbench {
namespace {

/// Not the user's own locale: the same text must score the same everywhere.
locale_t unicode() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  SCCA_CHECK(locale, "longbench: this system has no locale C.UTF-8, which says what a letter is; install it");
  return locale;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace

std::u32string characters(std::string_view utf8) {
  const std::string valid = valid_utf8(utf8);
  std::u32string result;
  for (size_t at = 0; at < valid.size();) {
    const size_t length = utf8_character(std::string_view(valid).substr(at));
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(valid[at + i]); };
    char32_t c = length == 1 ? byte(0) : byte(0) & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(i) & 0x3Fu);
    result += c;
    at += length;
  }
  return result;
}

std::vector<std::u32string> words_of(std::u32string_view text) {
  std::vector<std::u32string> words;
  bool inside = false;
  for (const char32_t c : text) {
    if (is_space(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    words.back() += c;
    inside = true;
  }
  return words;
}

std::u32string lower(std::u32string text) {
  for (char32_t& c : text) c = static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), unicode()));
  return text;
}

bool is_word_character(char32_t c) { return c == '_' || iswalnum_l(static_cast<wint_t>(c), unicode()) != 0; }

bool is_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

}  // namespace scca::longbench
