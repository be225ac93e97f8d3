#include "core/spelling.h"

#include <doctest/doctest.h>

using namespace scca;

TEST_CASE("spelling: the nearest word, of equals the first") {
  CHECK(nearest_word("lenght", {"length", "lengths"}) == "length");
  CHECK(nearest_word("lengths", {"length", "lengths"}) == "lengths");
  CHECK(nearest_word("bat", {"cat", "bad", "bet"}) == "cat");
  CHECK(nearest_word("attention", {}) == std::nullopt);
  CHECK(nearest_word("--temp", {"--help", "--temperature"}) == "--temperature");
  CHECK(nearest_word("--t", {"--help", "--temperature"}) == std::nullopt);
  CHECK(nearest_word("attn", {"attention"}) == std::nullopt);
}

TEST_CASE("spelling: a third of the letters may differ, two of a short word, and never all of a name") {
  CHECK(nearest_word("abcdefghi", {"abcdefxyz"}) == "abcdefxyz");
  CHECK(nearest_word("abcdefghi", {"abcdewxyz"}) == std::nullopt);
  CHECK(nearest_word("abcd", {"abxy"}) == "abxy");
  CHECK(nearest_word("abcd", {"axyz"}) == std::nullopt);
  CHECK(nearest_word("ab", {"xy"}) == std::nullopt);
  CHECK(nearest_word("ab", {"ax"}) == "ax");
  const std::string longest(64, 'a');
  CHECK(nearest_word(longest, {longest}) == longest);
  CHECK(nearest_word(longest + "a", {longest}) == std::nullopt);
}
