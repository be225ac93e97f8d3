// Coverage: the method's reachability table, and bit sets against plain loops.
#include "nn/patterns/coverage.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/check.h"
#include "nn/patterns/spec.h"

using namespace scca;

namespace {

std::vector<PlanPtr> plans_of(const std::string& text, int64_t tokens, int64_t heads) {
  const AttentionSpec spec = parse_attention_spec(text);
  std::vector<PlanPtr> plans;
  for (int64_t layer = 0; layer < spec.distinct_layers(); ++layer)
    plans.push_back(spec.plan(tokens, heads, layer));
  return plans;
}

std::optional<int64_t> layers(const std::string& text, int64_t tokens, int64_t heads) {
  return layers_to_full(plans_of(text, tokens, heads));
}

double share(const std::string& text, int64_t tokens, int64_t heads) {
  return one_layer_share(*parse_attention_spec(text).plan(tokens, heads));
}

struct Plain {
  std::optional<int64_t> layers;
  double share;
  int64_t empty;
};

/// The same by plain loops over sees().
Plain plain(const AttentionPlan& plan) {
  const auto n = static_cast<size_t>(plan.tokens);
  std::vector<std::vector<bool>> layer(n, std::vector<bool>(n));
  Plain result{std::nullopt, 0, 0};
  int64_t seen = 0, all = 0, wanted = 0, had = -1;
  for (size_t q = 0; q < n; ++q) {
    const size_t end = plan.causal ? q + 1 : n;
    all += static_cast<int64_t>(end);
    for (size_t h = 0; h < plan.heads.size(); ++h) {
      bool any = false;
      for (size_t k = 0; k < n; ++k)
        if (sees(plan, static_cast<int64_t>(h), static_cast<int64_t>(q), static_cast<int64_t>(k)))
          layer[q][k] = any = true;
      result.empty += !any;
    }
    for (size_t k = 0; k < n; ++k) seen += layer[q][k];
  }
  result.share = static_cast<double>(seen) / static_cast<double>(all);
  wanted = all;
  for (size_t q = 0; q < n; ++q) layer[q][q] = true;
  std::vector<std::vector<bool>> reached = layer;
  for (int64_t depth = 1;; ++depth) {
    int64_t have = 0;
    for (const auto& row : reached)
      for (const bool bit : row) have += bit;
    if (have == wanted) result.layers = depth;
    if (have == wanted || have == had) return result;
    had = have;
    std::vector<std::vector<bool>> next(n, std::vector<bool>(n));
    for (size_t q = 0; q < n; ++q)
      for (size_t via = 0; via < n; ++via)
        if (layer[q][via])
          for (size_t k = 0; k < n; ++k)
            if (reached[via][k]) next[q][k] = true;
    reached = next;
  }
}

void check_against_plain(const AttentionPlan& plan) {
  const Plain expected = plain(plan);
  const PlanPtr unowned(&plan, [](const AttentionPlan*) {});
  CHECK(layers_to_full({{unowned}}) == expected.layers);
  CHECK(one_layer_share(plan) == expected.share);
  CHECK(empty_rows(plan) == expected.empty);
}

using Pairs = std::vector<std::vector<bool>>;  // [query][key]

Pairs own_position(int64_t tokens) {
  Pairs pairs(tokens, std::vector<bool>(tokens));
  for (int64_t q = 0; q < tokens; ++q) pairs[q][q] = true;
  return pairs;
}

/// What is reached with this layer on top, by plain loops.
Pairs on_top(const AttentionPlan& plan, const Pairs& below) {
  const auto heads = static_cast<int64_t>(plan.heads.size());
  Pairs result = below;
  for (int64_t q = 0; q < plan.tokens; ++q)
    for (int64_t via = 0; via < plan.tokens; ++via) {
      bool seen = false;
      for (int64_t h = 0; h < heads; ++h) seen = seen || sees(plan, h, q, via);
      for (int64_t k = 0; seen && k < plan.tokens; ++k) result[q][k] = result[q][k] || below[via][k];
    }
  return result;
}

/// Causal plans: every pair alone, whole rows, odd pieces of rows, and the share.
void check_reach(const Reach& reach, const Pairs& expected) {
  const auto tokens = static_cast<int64_t>(expected.size());
  int64_t have = 0, wrong = 0;
  for (int64_t q = 0; q < tokens; ++q) {
    for (int64_t k = 0; k < tokens; ++k) {
      have += expected[q][k];
      wrong += reach.reached(q, k, k + 1) != expected[q][k];
    }
    for (const int64_t begin : {int64_t{0}, tokens / 3, tokens / 2}) {
      const auto& row = expected[q];
      wrong += reach.reached(q, begin, tokens) != std::count(row.begin() + begin, row.end(), true);
    }
  }
  CHECK(wrong == 0);
  CHECK(reach.share() == static_cast<double>(have) / static_cast<double>(tokens * (tokens + 1) / 2));
  CHECK(reach.is_full() == (have == tokens * (tokens + 1) / 2));
}

}  // namespace

TEST_CASE("coverage: the method's table, 128 tokens, chunk 32, 8 heads") {
  CHECK(layers("scca-flow", 128, 8) == 1);
  CHECK(layers("sda(dilation=4)", 128, 8) == 1);
  CHECK(layers("longmixed", 128, 8) == 1);
  CHECK(layers("scca-fixed", 128, 8) == 4);
  CHECK(layers("s2", 128, 8) == 7);
  CHECK(layers("local", 128, 8) == std::nullopt);
  CHECK(share("scca-flow", 128, 8) == 1.0);
  CHECK(share("sda(dilation=4)", 128, 8) == 1.0);
  CHECK(share("longmixed", 128, 8) == 1.0);
  CHECK(share("scca-fixed", 128, 8) == doctest::Approx(0.44).epsilon(0.01));
  CHECK(share("s2", 128, 8) == doctest::Approx(0.35).epsilon(0.01));
  CHECK(share("local", 128, 8) == doctest::Approx(0.26).epsilon(0.01));
}

TEST_CASE("coverage: bit sets against plain loops") {
  for (const PatternEntry& entry : registered_patterns())
    for (const std::string& spec : entry.examples)
      for (const int64_t tokens : {1, 2, 33, 65})
        for (const int64_t heads : {1, 3}) {
          CAPTURE(spec);
          CAPTURE(tokens);
          CAPTURE(heads);
          check_against_plain(*parse_attention_spec(spec).plan(tokens, heads));
        }
  // Strided slices long enough for whole words, with steps that do and do not divide a word
  for (const char* spec :
       {"sda(dilation=3)", "dilated(dilation=64)", "mix(sda(dilation=4),dilated(dilation=7))"})
    check_against_plain(*parse_attention_spec(spec).plan(257, 2));
}

TEST_CASE("reach: layer by layer against plain loops, per pair and as a share") {
  for (const char* spec : {"scca-fixed", "s2(chunk=9)", "local@1;window(chunk=5)",
                           "full@2;dilated(dilation=3)", "scca-flow@0;sda(dilation=4)@2;local(chunk=1)"})
    for (const int64_t tokens : {1, 33, 64, 131})
      for (const int64_t heads : {1, 3}) {
        CAPTURE(spec);
        CAPTURE(tokens);
        CAPTURE(heads);
        const std::vector<PlanPtr> plans = plans_of(spec, tokens, heads);
        const std::vector<double> shares = reach_by_layer(plans, 7);
        REQUIRE(shares.size() == 7);
        Reach reach(plans);
        Pairs expected = own_position(tokens);
        for (size_t layer = 0; layer < 7; ++layer) {
          expected = on_top(*plans[std::min(layer, plans.size() - 1)], expected);
          reach.add_layer();
          check_reach(reach, expected);
          CHECK(shares[layer] == reach.share());
        }
      }
}

TEST_CASE("reach: plans of another length or causality, none, and no layers are refused") {
  const std::vector<PlanPtr> lengths{full_plan(5, 1), full_plan(6, 1)},
      kinds{full_plan(5, 1), full_plan(5, 1, false)};
  CHECK_THROWS_WITH_AS(reach_by_layer(lengths, 1),
                       "reach: a plan of 6 tokens beside one of 5 or a causal one beside one that is not",
                       Error);
  CHECK_THROWS_AS(reach_by_layer(kinds, 1), Error);
  CHECK_THROWS_WITH_AS(reach_by_layer({}, 1), "reach: no plans, expected at least one", Error);
  CHECK_THROWS_WITH_AS(reach_by_layer({{full_plan(5, 1)}}, 0), "reach: 0 layers, expected at least 1", Error);
}

TEST_CASE("coverage: plans that are not causal, with and without a reach") {
  AttentionPlan plan{150, false, {}};
  plan.heads = {
      std::make_shared<const HeadPlan>(HeadPlan{
          {{0, 2, 75}, {{{0, 3, 50}, 40}}},
          {{1, 2, 75}, {{{1, 3, 50}, kUnlimited}, {{0, 3, 50}, 40}}},
      }),
      std::make_shared<const HeadPlan>(HeadPlan{{{0, 1, 150}, {{{0, 1, 70}, 10}, {{100, 1, 50}, 3}}}})};
  validate(plan);
  check_against_plain(plan);
  plan.causal = true;
  check_against_plain(plan);
}

TEST_CASE("coverage: a window reaches w - 1 further with each layer") {
  CHECK(layers("window(chunk=2)", 33, 1) == 32);
  CHECK(layers("window(chunk=5)", 33, 1) == 8);
  CHECK(layers("window(chunk=1)", 33, 1) == std::nullopt);
  CHECK(layers("window(chunk=1)", 1, 1) == 1);
}

TEST_CASE("coverage: layers with patterns of their own") {
  CHECK(layers("full@0;local", 64, 2) == 1);
  CHECK(layers("full@3;local", 64, 2) == 4);  // the local layers before it add nothing
  CHECK(layers("scca-fixed@0,1;local", 128, 8) == std::nullopt);
  // From the last token back: 127 > 80 > 48 > 16 by shifted layers, then 16 > 0 inside a chunk. Only the last
  // step is the local layer's to give, and the last step back is the first layer.
  CHECK(layers("local@0;scca-fixed", 128, 8) == 4);
  CHECK(layers("local@3;scca-fixed", 128, 8) == 5);
}

TEST_CASE("coverage: in scca-flow with 4 chunks three rows in eight are empty, unless early=local") {
  CHECK(empty_rows(*parse_attention_spec("scca-flow").plan(128, 8)) == 128 * 8 * 3 / 8);
  CHECK(empty_rows(*parse_attention_spec("scca-flow(early=local)").plan(128, 8)) == 0);
  CHECK(share("scca-flow(early=local)", 128, 8) == 1.0);
}

TEST_CASE("coverage: exact at the largest length, refused beyond it") {
  CHECK(layers("scca-fixed", kMaxExactReach, 8) == 4);
  CHECK(layers("s2", kMaxExactReach, 8) == 7);
  CHECK_THROWS_WITH_AS(layers("full", kMaxExactReach + 1, 1), "reach: 4097 tokens, expected at most 4096",
                       Error);
  CHECK_THROWS_WITH_AS(reach_by_layer(plans_of("full", 4097, 1), 2),
                       "reach: 4097 tokens, expected at most 4096", Error);
}
