#include "train/evaluation/tasks/prompt_parts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("prompt parts: fitting finds the last that fits, whatever a unit takes, in few tokenisations") {
  const Task task{.name = "toy", .answer_tokens = 7};
  const std::vector<std::function<int64_t(int64_t)>> sizes{
      [](int64_t n) { return 31 + 25 * n; },                 // all alike
      [](int64_t n) { return 31 + n / 5; },                  // most add nothing
      [](int64_t n) { return 31 + n * n; },                  // ever more
      [](int64_t n) { return 31 + n + 900 * (n >= 100); }};  // a leap
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (const int64_t tokens : {38, 39, 62, 63, 64, 138, 1039, 100003}) {
      CAPTURE(i);
      CAPTURE(tokens);
      int64_t asked = 0;
      const auto count = [&](std::string_view text) { return ++asked, std::stoll(std::string(text)); };
      const FittedText fitted = fit(task, {.tokens = tokens}, count, 0, [&](int64_t units) {
        return std::to_string(sizes[i](units));  // a text that says its tokens
      });
      CHECK(fitted.tokens == sizes[i](fitted.units));
      CHECK(fitted.tokens <= tokens - 7);
      CHECK(sizes[i](fitted.units + 1) > tokens - 7);
      CHECK(asked <= (i == 0 ? 4 : 40));
    }
  }
}

TEST_CASE("prompt parts: made-up words and keys have the shapes that are said, and do not repeat") {
  Draws draws({.tokens = 9, .seed = 2});
  CHECK(std::regex_match(draws.uuid(),
                         std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
  CHECK(std::regex_match(draws.word(), std::regex("[^aeiou][aeiou][^aeiou][aeiou][^aeiou]")));
  CHECK(std::regex_match(draws.name(), std::regex("[a-z]+-[a-z]+")));
  CHECK(std::regex_match(draws.letters(5, 'A'), std::regex("[A-Z]{5}")));
  std::set<size_t> lengths;
  for (int i = 0; i < 200; ++i) lengths.insert(draws.number(5).size());
  CHECK(lengths == std::set<size_t>{5});
  const auto words = draws.distinct(3000, [](Draws& more) { return more.name(); });
  CHECK(std::set<std::string>(words.begin(), words.end()).size() == 3000);
  CHECK(error_of([&] {
          draws.distinct(27, [](Draws& more) { return more.letters(1, 'a'); });
        }).find("27 different words, more than there are") != std::string::npos);
  CHECK(draws.places(5, 5) == std::vector<int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("prompt parts: a shuffle keeps what there is, and draws follow the request") {
  const TaskRequest request{.tokens = 31, .depth = 33, .seed = 129, .index = 1};
  std::vector<int64_t> sorted(97), first;
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<int64_t>(i);
  for (int round = 0; round < 2; ++round) {
    Draws draws(request);
    std::vector<int64_t> items = sorted;
    draws.shuffle(items);
    CHECK(items != sorted);
    if (round == 0) first = items;
    CHECK(items == first);
    std::ranges::sort(items);
    CHECK(items == sorted);
  }
  std::set<std::string> keys{Draws(request).uuid()};
  for (TaskRequest other :
       {TaskRequest{32, 33, 129, 1}, {31, 34, 129, 1}, {31, {}, 129, 1}, {31, 33, 130, 1}, {31, 33, 129, 2}})
    keys.insert(Draws(other).uuid());
  CHECK(keys.size() == 6);
}

TEST_CASE("prompt parts: filler before a needle is the nearest to its depth") {
  CHECK(filler_before(0, 7) == 0);
  CHECK(filler_before(100, 7) == 7);
  CHECK(filler_before(50, 7) == 4);
  CHECK(filler_before(33, 10) == 3);
  CHECK(filler_before(50, 0) == 0);
  CHECK(numbered({"a", "b"}) == "1. a 2. b");
  CHECK(join({"a", "b", ""}, "--") == "a--b--");
}
