#include "train/data/token_text.h"

#include <doctest/doctest.h>

#include <cstddef>

using namespace scca;

TEST_CASE("token text: documents behind each other, with what is given and what is learned") {
  TokenText text;
  text.append({{1, 2, 3}, {false, true, false}});
  text.append({{4, 5}, {false, false}});  // goes on where the last given span ended
  text.append({{6, 7, 8}});
  text.append({{9}, {true}});
  CHECK(text.first(0) == std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(text.first(2) == std::vector<int32_t>{1, 2});
  CHECK(text.first(20).size() == 9);
  CHECK(text.starts == std::vector<int64_t>{0, 3, 5, 8});
  REQUIRE(text.given.size() == 2);
  CHECK(text.given[0].begin == 0);
  CHECK(text.given[0].end == 1);
  CHECK(text.given[1].begin == 2);
  CHECK(text.given[1].end == 5);
  TokenText twice = text;
  twice.append_text(text);
  CHECK(twice.tokens() == 18);
  CHECK(twice.starts == std::vector<int64_t>{0, 3, 5, 8, 9, 12, 14, 17});
  CHECK(twice.given[2].begin == 9);
  CHECK(twice.given[3].end == 14);
  const std::vector<int> learned{0, 1, 0, 0, 0, 1, 1, 1, 1};
  for (int64_t begin = 0; begin <= 9; ++begin)
    for (int64_t end = begin; end <= 9; ++end) {
      int64_t expected = 0;
      for (int64_t i = begin; i < end; ++i) expected += learned[static_cast<std::size_t>(i)];
      CHECK(text.learned(begin, end) == expected);
    }
}
