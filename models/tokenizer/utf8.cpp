#include "models/tokenizer/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace scca {
namespace {

struct Character {
  size_t bytes = 0;       // of the whole character, as its first byte says; 0: begins none
  size_t good_bytes = 0;  // of them, those that are there and may stand there
};

Character first_character(std::string_view text) {
  if (text.empty()) return {};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  const size_t bytes = lead < 0x80   ? 1
                       : lead < 0xc2 ? 0
                       : lead < 0xe0 ? 2
                       : lead < 0xf0 ? 3
                       : lead < 0xf5 ? 4
                                     : 0;
  Character character{bytes, bytes > 0 ? size_t{1} : 0};
  while (character.good_bytes < std::min(bytes, text.size())) {
    const uint8_t next = byte(character.good_bytes);
    // The second byte's range depends on the first: overlong forms, surrogates, the end of the code space.
    const bool second = character.good_bytes == 1;
    const uint8_t low = second && lead == 0xe0 ? 0xa0 : second && lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = second && lead == 0xed ? 0x9f : second && lead == 0xf4 ? 0x8f : 0xbf;
    if (next < low || next > high) break;
    ++character.good_bytes;
  }
  return character;
}

bool steers_a_terminal(char32_t c) {
  if (c == '\n' || c == '\t') return false;
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool breaks_lines = c == 0x2028 || c == 0x2029;
  const bool turns_around = c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
                            (c >= 0x2066 && c <= 0x2069);
  return control || breaks_lines || turns_around;
}

}  // namespace

size_t utf8_character(std::string_view text) {
  const Character character = first_character(text);
  return character.good_bytes == character.bytes ? character.bytes : 0;
}

char32_t code_point(std::string_view character) {
  const auto lead = static_cast<uint8_t>(character[0]);
  char32_t code = character.size() == 1 ? lead : lead & (0xffu >> (character.size() + 1));
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<uint8_t>(c) & 0x3fu);
  return code;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = utf8_character(text);
    valid += bytes > 0 ? text.substr(0, bytes) : std::string_view("\xef\xbf\xbd");
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return valid;
}

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = utf8_character(text);
    const char32_t code = bytes > 0 ? code_point(text.substr(0, bytes)) : static_cast<uint8_t>(text[0]);
    if (bytes > 0 && !steers_a_terminal(code)) {
      shown += text.substr(0, bytes);
    } else {
      char escape[16];
      std::snprintf(escape, sizeof escape, bytes > 1 ? "\\u{%x}" : "\\x%02x", static_cast<unsigned>(code));
      shown += escape;
    }
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return shown;
}

bool ends_within_character(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.good_bytes == text.size() && character.good_bytes < character.bytes) return true;
    text.remove_prefix(character.bytes > 0 && character.good_bytes == character.bytes ? character.bytes : 1);
  }
  return false;
}

}  // namespace scca
