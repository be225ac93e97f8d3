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

TEST_CASE("patterns: without causality too, plan equals predicate for every pattern of the tree") {
  for (const PatternEntry& entry : registered_patterns()) {
    if (entry.summary.starts_with("for the tests:")) continue;
    for (const std::string& spec : entry.examples) {
      const PatternPtr pattern = parse_pattern(spec);
      for (const int64_t tokens : {1, 2, 33, 129})
        for (const int64_t heads : {1, 3, 8}) {
          CAPTURE(spec);
          CHECK(error_of([&] { check_plan(*pattern, {tokens, heads}, false); }) == "no error");
          const PlanPtr plan = parse_attention_spec(spec).bidirectional().plan(tokens, heads);
          CHECK(!plan->causal);
          for (const int64_t query : {int64_t{0}, tokens / 2})
            for (int64_t key = query; key < tokens; ++key)
              if (sees(*plan, 0, query, key) != pattern->visible({tokens, heads}, 0, query, key))
                FAIL_CHECK(spec, " query ", query, " key ", key);
        }
    }
  }
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

TEST_CASE("patterns: further readings of the paper, drawn by hand") {
  // 5 tokens in 3 chunks of 2: five steps of one token; the fourth head's windows begin 3 tokens earlier
  CHECK(picture("scca-flow(chunk=2,step=half)", 5, 6, 1) ==  // -1..0, 1..2, 3..4
        "#....\n"
        "#....\n"
        ".##..\n"
        ".##..\n"
        "...##\n");
  CHECK(picture("scca-flow(chunk=2,step=half)", 5, 6, 3) ==  // none, -1..0, 1..2
        ".....\n"
        ".....\n"
        "#....\n"
        "#....\n"
        ".##..\n");
  CHECK(picture("scca-flow(chunk=2,step=half,early=local)", 5, 6, 3) ==
        "#....\n"
        "##...\n"
        "#....\n"
        "#....\n"
        ".##..\n");
  const auto same = [](const char* a, int64_t head_a, const char* b, int64_t head_b) {
    return picture(a, 9, 8, head_a) == picture(b, 9, 8, head_b);
  };
  for (int64_t k = 0; k < 4; ++k)  // an even step is a step of the paper's size
    CHECK(same("scca-flow(chunk=2,step=half)", 2 * k, "scca-flow(chunk=2)", k));
  for (int64_t k = 0; k < 3; ++k)  // of an odd chunk too
    CHECK(same("scca-flow(chunk=3,step=half)", 2 * k, "scca-flow(chunk=3)", k));
  CHECK(same("scca-flow(chunk=3,step=half)", 5, "local(chunk=3)", 0));  // 3 chunks, 5 steps: around again
  for (int64_t head = 0; head < 4; ++head) {  // 5 chunks: the other half sees the four earlier ones
    CHECK(same("scca-flow(chunk=2,own=half)", head, "local(chunk=2)", 0));
    CHECK(same("scca-flow(chunk=2,own=half)", 4 + head, "scca-flow(chunk=2)", 1 + head));
  }
  // the first of the other half begins with the chunk before its own, whatever its number
  CHECK(picture("scca-flow(chunk=2,own=half)", 9, 6, 3) == picture("scca-flow(chunk=2)", 9, 6, 1));
  CHECK(same("scca-flow(chunk=4,own=half)", 6, "scca-flow(chunk=4)", 1));  // 3 chunks: around again
  CHECK(same("scca-flow(chunk=9,own=half)", 7, "full", 0));                // one chunk: nothing is earlier
  CHECK(picture("sda(dilation=2,window=4)", 6, 2, 1) ==
        "......\n"
        "#.....\n"
        ".#....\n"
        "#.#...\n"
        ".#.#..\n"
        "..#.#.\n");
  CHECK(picture("sda(dilation=2,window=4,shift=none)", 6, 2, 1) ==
        "#.....\n"
        ".#....\n"
        "#.#...\n"
        ".#.#..\n"
        "..#.#.\n"
        "...#.#\n");
  CHECK(picture("dilated(dilation=2,window=3)", 6, 2, 1) ==
        "......\n"
        ".#....\n"
        ".#....\n"
        ".#.#..\n"
        "...#..\n"
        "...#.#\n");
  CHECK(same("dilated(window=9)", 3, "dilated", 3));
  for (int64_t head = 0; head < 2;
       ++head)  // 8 heads in groups of 2, 2 and 4, each with a dilation of its own
    CHECK(same("mix(sda(dilation=2),sda(dilation=4),sda(dilation=8))", 2 + head, "sda", head));
  CHECK(error_of([] { parse_pattern("sda(window=0)"); }).find("window is 0, expected at least 1 token") !=
        std::string::npos);
}

TEST_CASE("patterns: a reading of scca-flow whose heads suffice sees every pair in one layer") {
  for (const char* spec : {"scca-flow(step=half)", "scca-flow(step=half,early=local)", "scca-flow(own=half)"})
    for (const int64_t tokens : {31, 64}) {  // 4 chunks: 7 half steps; 3 earlier chunks beside as many heads
      const PlanPtr plan = parse_attention_spec(spec).plan(tokens, 7);
      for (int64_t query = 0; query < tokens; ++query)
        for (int64_t key = 0; key <= query; ++key) {
          bool seen = false;
          for (int64_t head = 0; head < 7; ++head) seen |= sees(*plan, head, query, key);
          if (!seen) CHECK_MESSAGE(seen, spec, " query ", query, " key ", key);
        }
    }
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
        "chunk|tokens or a fraction of the sequence|1/4;early|one of zero, local|zero;"
        "step|one of chunk, half|chunk;own|one of flow, half|flow;");
  CHECK(listed("sda") ==
        "dilation|a whole number from 1 up|4;window|tokens or a fraction of the sequence|;"
        "shift|one of head, none|head;");
  CHECK(listed("longmixed") == "chunk|tokens or a fraction of the sequence|1/4;");
  CHECK(listed("mix") == "|patterns, each with a weight|;");
}
