#include "models/tokenizer/utf8.h"

#include <doctest/doctest.h>

using namespace scca;

namespace {

/// By the numbers: the code point of an encoding made in the plainest way.
std::string encode(uint32_t point, int bytes) {
  const auto tail = [&](int i) { return static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3f)); };
  if (bytes == 1) return {static_cast<char>(point)};
  if (bytes == 2) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
  if (bytes == 3) return {static_cast<char>(0xe0 | point >> 12), tail(1), tail(0)};
  return {static_cast<char>(0xf0 | point >> 18), tail(2), tail(1), tail(0)};
}

}  // namespace

TEST_CASE("utf8: every code point, and no other form of it, is a character") {
  int wrong = 0;
  for (uint32_t point = 0; point < 0x1fffff; ++point) {
    const int shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    for (int bytes = shortest; bytes <= 4; ++bytes) {
      const bool good = bytes == shortest && !surrogate && point <= 0x10ffff;
      wrong += utf8_character(encode(point, bytes)) != (good ? static_cast<size_t>(bytes) : 0);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("utf8: what is no character becomes U+FFFD, byte by byte") {
  CHECK(valid_utf8("") == "");
  CHECK(valid_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z") == "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
  const std::string bad = "\xef\xbf\xbd";
  CHECK(valid_utf8("a\xff") == "a" + bad);
  CHECK(valid_utf8("\xe2\x82"
                   "b") == bad + bad + "b");
  CHECK(valid_utf8("\xed\xa0\x80") == bad + bad + bad);
  CHECK(valid_utf8("\xc0\x80") == bad + bad);
  CHECK(valid_utf8(std::string("\0x", 2)) == std::string("\0x", 2));
}

TEST_CASE("utf8: a character's beginning at the end is seen, and only there") {
  CHECK(!ends_within_character(""));
  CHECK(!ends_within_character("abc"));
  CHECK(ends_within_character("\xc3"));
  CHECK(ends_within_character("a\xe2"));
  CHECK(ends_within_character("\xe2\x82"));
  CHECK(!ends_within_character("\xe2\x82\xac"));
  CHECK(ends_within_character("\xff\xf0\x9f\x98"));
  CHECK(
      !ends_within_character("\xf0\x9f\x98"
                             "a"));
  CHECK(!ends_within_character("\x80"));
  CHECK(!ends_within_character("\xed\xa0"));
}

TEST_CASE("utf8: what would steer a terminal is written out") {
  for (const char* plain : {"", "plain \t\n", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xC2\xA0"})
    CHECK(printable(plain) == plain);
  const struct {
    std::string text, shown;
  } cases[] = {
      {"a\x1b[31mb", "a\\x1b[31mb"},
      {std::string("\0\r\x7f", 3), "\\x00\\x0d\\x7f"},
      {"\xC2\x9b", "\\u{9b}"},          // the one-character form of ESC [
      {"\xE2\x80\xAEx", "\\u{202e}x"},  // right to left from here
      {"\xE2\x80\xA8", "\\u{2028}"},    // a line separator
      {"\xE2\x81\xA6", "\\u{2066}"},
      {"caf\xE9!", "caf\\xe9!"},  // no UTF-8
      {"\xF0\x9F\x98", "\\xf0\\x9f\\x98"},
  };
  for (const auto& c : cases) CHECK(printable(c.text) == c.shown);
}
