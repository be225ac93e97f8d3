// Every registered pattern: its fast form against its predicate, and small pictures drawn by hand from the
// paper's text.
#include "nn/patterns/pattern.h"

#include <doctest/doctest.h>

#include <map>

#include "core/check.h"
#include "nn/patterns/spec.h"

using namespace scca;

namespace {

using Raster = std::vector<uint8_t>;  // tokens x tokens: how many key slices show this key to this query

Raster raster(const HeadPlan& head, int64_t tokens) {
  Raster result(static_cast<size_t>(tokens * tokens));
  for (const Tile& tile : head)
    for (const KeySlice& keys : tile.keys)
      for (int64_t q = 0; q < tile.queries.count; ++q)
        for (int64_t k = 0; k < keys.count; ++k) {
          const int64_t query = tile.queries.at(q), key = keys.at(k);
          if (key <= query && query - key < keys.reach) ++result[static_cast<size_t>(query * tokens + key)];
        }
  return result;
}

/// Compares plan with predicate at one extent; returns the first difference, or "".
std::string difference(const std::string& spec, Extent extent) {
  const PatternPtr pattern = parse_pattern(spec);
  const PlanPtr plan = parse_attention_spec(spec).plan(extent.tokens, extent.heads);  // validates
  if (plan->tokens != extent.tokens || static_cast<int64_t>(plan->heads.size()) != extent.heads ||
      !plan->causal)
    return "the plan's extent";
  std::map<const HeadPlan*, Raster> rasters;
  for (int64_t head = 0; head < extent.heads; ++head) {
    const HeadPlan& tiles = *plan->heads[head];
    const auto [entry, is_new] = rasters.try_emplace(&tiles);
    if (is_new) entry->second = raster(tiles, extent.tokens);
    int64_t pairs = 0;
    for (int64_t query = 0; query < extent.tokens; ++query)
      for (int64_t key = 0; key < extent.tokens; ++key) {
        const int expected = key <= query && pattern->visible(extent, head, query, key);
        const int found = entry->second[static_cast<size_t>(query * extent.tokens + key)];
        pairs += expected;
        if (found != expected)
          return concat("head ", head, " query ", query, " key ", key, ": predicate ", expected, ", plan ",
                        found);
      }
    if (visible_pairs(tiles, true) != pairs)
      return concat("head ", head, ": ", pairs, " pairs, visible_pairs says ", visible_pairs(tiles, true));
  }
  return "";
}

/// One line per query, '#' where it sees the key.
std::string picture(const std::string& spec, int64_t tokens, int64_t heads, int64_t head) {
  const PlanPtr plan = parse_attention_spec(spec).plan(tokens, heads);
  const Raster seen = raster(*plan->heads[head], tokens);
  std::string result;
  for (int64_t query = 0; query < tokens; ++query) {
    for (int64_t key = 0; key < tokens; ++key)
      result += seen[static_cast<size_t>(query * tokens + key)] ? '#' : '.';
    result += '\n';
  }
  return result;
}

}  // namespace

TEST_CASE("patterns: plan equals predicate for every registered pattern at odd sizes") {
  for (const PatternEntry& entry : registered_patterns()) {
    REQUIRE_FALSE(entry.examples.empty());
    for (const std::string& spec : entry.examples)
      for (const int64_t tokens : {1, 2, 31, 33, 128, 129, 257})
        for (const int64_t heads : {1, 2, 3, 8, 9}) {
          CAPTURE(spec);
          CAPTURE(tokens);
          CAPTURE(heads);
          CHECK(difference(spec, {tokens, heads}) == "");
        }
  }
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
  CHECK((*plan->heads[1])[1].keys == std::vector<KeySlice>{{{2, 1, 3}, unlimited}});
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
