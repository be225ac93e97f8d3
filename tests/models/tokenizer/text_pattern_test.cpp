#include "models/tokenizer/text_pattern.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/check.h"
#include "models/tokenizer/pre_tokenizers.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

std::vector<std::string> matches(const std::string& regex, const std::string& text) {
  const TextPattern pattern({regex, true}, "test");
  TextPattern::Matches found(pattern, text);
  std::vector<std::string> all;
  for (TextRange range; found.next(range);) all.push_back(text.substr(range.begin, range.end - range.begin));
  return all;
}

std::string error(const std::string& regex) {
  return error_of([&] { TextPattern pattern({regex, true}, "file"); });
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("text pattern: classes and escapes mean what they mean in Oniguruma") {
  CHECK(matches(R"(\s)", "a\xe1\xa0\x8e\xc2\x85\xc2\xa0\xe2\x80\x8b\xe3\x80\x80") ==
        Words{"\xc2\x85", "\xc2\xa0", "\xe3\x80\x80"});  // not U+180E, not U+200B
  CHECK(matches(R"(\S+)", "a \xe1\xa0\x8e ") == Words{"a", "\xe1\xa0\x8e"});
  CHECK(matches(R"([^\s]+)", "a\xe1\xa0\x8e b") == Words{"a\xe1\xa0\x8e", "b"});
  CHECK(matches(R"(\d)", "1\xd9\xa3\xc2\xbd") == Words{"1", "\xd9\xa3"});
  CHECK(matches(R"([\u2581\x{61}])", "a\xe2\x96\x81z") == Words{"a", "\xe2\x96\x81"});
  CHECK(matches(R"((?i:'s)|x)", "'S'sX'\xc5\xbf") == Words{"'S", "'s", "'\xc5\xbf"});
  CHECK(matches(".+", "a\rb\nc") == Words{"a\rb", "c"});
  CHECK(matches(R"(\s+(?!\S)|b)", "a   b") == Words{"  ", "b"});
  CHECK(matches(R"((?<=a)b)", "abb") == Words{"b"});
  CHECK(matches(R"(\A +| +\z)", "  a  b ") == Words{"  ", " "});
  CHECK(matches(R"(\A +| +\z)", "\n a \n").empty());  // of the text, not of a line
  CHECK(matches(R"(\Aa)", "aa") == Words{"a"});       // also where a match ends
  CHECK(matches(R"(\p{N}{1,3})", "12345") == Words{"123", "45"});
}

TEST_CASE("text pattern: what the two read differently is refused") {
  for (const std::string regex :
       {R"(\w+)",     R"(a\b)",      R"(\h)",         R"(\v)",   R"(a$)",   "^a",
        R"(\p{Han})", R"(\p{^L})",   R"(\pL)",        "a{2}+",   "a{,3}",   "a{2}?",
        "[a&&b]",     "[[:alpha:]]", "[]a]",          "(?i)a",   "(?<x>a)", R"((a)\1)",
        "(?i:ss)",    "(?i:st)",     "(?i:\xc3\xa9)", R"([\S])", R"([\A])", R"(a\Z)",
        R"(\Ga)",     R"(\x41)",     R"(\u12)",       "a{",      R"(\p{)",  "\\"}) {
    CAPTURE(regex);
    CHECK(error(regex).find("file: the regular expression \"") == 0);
    CHECK(error(regex).find("which is not implemented") != std::string::npos);
  }
  for (const std::string regex : {"(a", "a)", "[a", "*", "(?=a", "[z-a]"})
    CHECK(error(regex).find("is not understood") != std::string::npos);
  for (const std::string regex : {"a*", "a|", "(?=a)", "x?"})
    CHECK(error(regex).find("may match nothing at all") != std::string::npos);
  CHECK(error("").find("an empty pattern") != std::string::npos);
}

TEST_CASE("text pattern: a regular expression that takes too long is an error, a long text is none") {
  const std::string many(100, 'a');
  CHECK(error_of([&] { matches("(?:a+)+[bc]", many); }).find("fails on a text") != std::string::npos);
  // Deep repetition of a group: more of a stack than there is at first.
  CHECK(matches("(?:a|b|[c-d]x)+", std::string(1 << 20, 'a')).size() == 1);
  const TextStep words = gpt2_words();
  CHECK(matches(words.pattern.text, std::string(1 << 20, ' ')).size() == 1);
}
