// Every registered pattern: its fast form against its predicate, and small pictures drawn by hand from the
// paper's text.
#include "nn/patterns/pattern.h"

#include <doctest/doctest.h>

#include "nn/patterns/check_plan.h"
#include "nn/patterns/parameters.h"
#include "nn/patterns/spec.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

/// One line per query, '#' where it sees the key.
std::string picture(const std::string& spec, int64_t tokens, int64_t heads, int64_t head) {
  const PlanPtr plan = parse_attention_spec(spec).plan(tokens, heads);
  std::string result;
  for (int64_t query = 0; query < tokens; ++query) {
    for (int64_t key = 0; key < tokens; ++key) result += sees(*plan, head, query, key) ? '#' : '.';
    result += '\n';
  }
  return result;
}

}  // namespace

TEST_CASE("patterns: plan equals predicate for every registered pattern at odd sizes") {
  for (const PatternEntry& entry : registered_patterns()) CHECK_NOTHROW(check_pattern(entry));
}

TEST_CASE("patterns: a plan that differs from its predicate is found") {
  struct Liar : Pattern {  // says full; one query of one head misses a key, or a head is missing
    bool visible(Extent, int64_t, int64_t, int64_t) const override { return true; }
    HeadPlans plan(Extent extent) const override {
      HeadPlans heads(static_cast<size_t>(extent.heads), full_plan(extent.tokens, 1)->heads[0]);
      const int64_t last = extent.tokens - 1;
      const HeadPlan wrong{tile({0, 1, last}, {0, 1, last}),
                           tile({last, 1, 1}, span(key, extent.tokens, extent.tokens))};
      if (drop) heads.pop_back();
      if (!drop) heads[1] = std::make_shared<const HeadPlan>(wrong);
      return heads;
    }
    int64_t key = 0;
    bool drop = false;
  } liar;
  liar.key = 4;
  CHECK(error_of([&] { check_plan(liar, {5, 2}); }) == "head 1 query 4 key 0: predicate 1, plan 0");
  liar.key = 2;  // slices that overlap without being the same
  CHECK(error_of([&] { check_plan(liar, {5, 2}); }) != "no error");
  liar.drop = true;
  CHECK(error_of([&] { check_plan(liar, {5, 2}); }) == "plan of 1 heads, expected 2");
  CHECK(error_of([&] {
          check_pattern({"mine", "", {}, nullptr});
        }) == "mine: registered without an example to check");
}

TEST_CASE("patterns: the examples of every registered pattern print themselves and come back") {
  for (const PatternEntry& entry : registered_patterns())
    for (const std::string& spec : entry.examples) {
      CAPTURE(spec);
      const std::string printed = parse_attention_spec(spec).to_string();
      CHECK(printed == spec);
      CHECK(parse_attention_spec(printed).to_string() == printed);
    }
}

TEST_CASE("patterns: pictures drawn by hand") {
  CHECK(picture("local(chunk=3)", 7, 1, 0) ==
        "#......\n"
        "##.....\n"
        "###....\n"
        "...#...\n"
        "...##..\n"
        "...###.\n"
        "......#\n");
  CHECK(picture("window(chunk=3)", 7, 1, 0) ==
        "#......\n"
        "##.....\n"
        "###....\n"
        ".###...\n"
        "..###..\n"
        "...###.\n"
        "....###\n");
  CHECK(picture("s2(chunk=4)", 7, 2, 1) ==
        "#......\n"
        "##.....\n"
        "..#....\n"
        "..##...\n"
        "..###..\n"
        "..####.\n"
        "......#\n");
  CHECK(picture("scca-fixed(chunk=4)", 7, 2, 1) ==  // first chunk: keys 0 and 1; second: keys 2 to 5
        "#......\n"
        "##.....\n"
        "##.....\n"
        "##.....\n"
        "..###..\n"
        "..####.\n"
        "..####.\n");
  CHECK(picture("scca-fixed(chunk=4,shift=1)", 7, 2, 1) ==
        "#......\n"
        "##.....\n"
        "###....\n"
        "###....\n"
        "...##..\n"
        "...###.\n"
        "...####\n");
  CHECK(picture("scca-fixed(chunk=4)", 7, 2, 0) == picture("local(chunk=4)", 7, 1, 0));
  CHECK(picture("scca-flow(chunk=2)", 5, 4, 1) ==
        ".....\n"
        ".....\n"
        "##...\n"
        "##...\n"
        "..##.\n");
  CHECK(picture("scca-flow(chunk=2,early=local)", 5, 4, 1) ==
        "#....\n"
        "##...\n"
        "##...\n"
        "##...\n"
        "..##.\n");
  CHECK(picture("dilated(dilation=3)", 6, 4, 1) ==
        "......\n"
        ".#....\n"
        ".#....\n"
        ".#....\n"
        ".#..#.\n"
        ".#..#.\n");
  CHECK(picture("sda(dilation=3)", 6, 4, 1) ==
        "......\n"
        "#.....\n"
        ".#....\n"
        "..#...\n"
        "#..#..\n"
        ".#..#.\n");
}

TEST_CASE("patterns: a fraction of the sequence rounds up, half the heads down") {
  // 10 tokens, chunk 1/4: ceil(10 / 4) = 3; three heads: one local, two shifted by floor(3 / 2) = 1
  const PlanPtr plan = parse_attention_spec("scca-fixed").plan(10, 3);
  CHECK(plan->heads[0]->size() == 4);
  CHECK((*plan->heads[0])[3].queries == Slice{9, 1, 1});
  CHECK((*plan->heads[1])[1].keys == std::vector<KeySlice>{{{2, 1, 3}, kUnlimited}});
  CHECK(plan->heads[1] == plan->heads[2]);
  CHECK(plan->heads[0] != plan->heads[1]);
}

TEST_CASE(
    "patterns: the parts of a mix count their own heads; shares round down, the last part takes the rest") {
  // 9 heads by 2 : 1 : 1 are 4, 2 and 3
  const std::vector<std::pair<std::string, std::pair<int64_t, int64_t>>> origin = {
      {"scca-fixed", {0, 4}},      {"scca-fixed", {1, 4}},      {"scca-fixed", {2, 4}},
      {"scca-fixed", {3, 4}},      {"sda(dilation=2)", {0, 2}}, {"sda(dilation=2)", {1, 2}},
      {"sda(dilation=4)", {0, 3}}, {"sda(dilation=4)", {1, 3}}, {"sda(dilation=4)", {2, 3}}};
  for (int64_t head = 0; head < 9; ++head) {
    const auto& [spec, own] = origin[head];
    CHECK(picture("longmixed", 33, 9, head) == picture(spec, 33, own.second, own.first));
  }
  CHECK(picture("mix(full,local(chunk=2))", 5, 1, 0) ==
        picture("local(chunk=2)", 5, 1, 0));  // the first share is empty
}

TEST_CASE("patterns: parameters are listed as the constructors read them, without those of patterns inside") {
  const auto listed = [](const char* name) {
    std::string text;
    for (const PatternEntry& entry : registered_patterns())
      if (entry.name == name)
        for (const Parameter& p : parameters_of(entry))
          text += p.name + "|" + p.takes + "|" + p.standard + ";";
    return text;
  };
  CHECK(listed("full") == "");
  CHECK(listed("local") == "chunk|tokens or a fraction of the sequence|1/4;");
  CHECK(listed("scca-fixed") ==
        "chunk|tokens or a fraction of the sequence|1/4;shift|tokens or a fraction of the sequence|;");
  CHECK(listed("scca-flow") ==
        "chunk|tokens or a fraction of the sequence|1/4;early|one of zero, local|zero;");
  CHECK(listed("sda") == "dilation|a whole number from 1 up|4;");
  CHECK(listed("longmixed") == "chunk|tokens or a fraction of the sequence|1/4;");
  CHECK(listed("mix") == "|patterns, each with a weight|;");
}
