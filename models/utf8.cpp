#include "models/utf8.h"

#include <algorithm>
#include <cstdint>

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

}  // namespace

size_t utf8_character(std::string_view text) {
  const Character character = first_character(text);
  return character.good_bytes == character.bytes ? character.bytes : 0;
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

bool ends_within_character(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.good_bytes == text.size() && character.good_bytes < character.bytes) return true;
    text.remove_prefix(character.bytes > 0 && character.good_bytes == character.bytes ? character.bytes : 1);
  }
  return false;
}

}  // namespace scca
