#include "train/report/pattern_grid.h"

#include <doctest/doctest.h>

#include <set>
#include <utility>

#include "core/check.h"
#include "nn/patterns/coverage.h"
#include "nn/patterns/spec.h"

using namespace scca;

namespace {

using HeadPtr = std::shared_ptr<const HeadPlan>;

HeadPtr chunk_head(int64_t tokens, int64_t width, int64_t shift) {
  HeadPlan head;
  for (int64_t start = shift > 0 ? shift - width : 0; start < tokens; start += width) {
    int64_t from = std::max<int64_t>(0, start), count = std::min(tokens, start + width) - from;
    head.push_back({{from, 1, count}, {{{from, 1, count}}}});
  }
  return std::make_shared<HeadPlan>(head);
}

/// A sink of two keys everyone sees, and a sliding window over the rest.
HeadPtr window(int64_t tokens, int64_t reach) {
  Tile tile{{0, 1, tokens}, {{{0, 1, std::min<int64_t>(2, tokens)}}}};
  if (tokens > 2) tile.keys.push_back({{2, 1, tokens - 2}, reach});
  return std::make_shared<HeadPlan>(HeadPlan{tile});
}

/// Every query sees its own residue class, but class `blind` sees nothing; within `reach`.
HeadPtr residues(int64_t tokens, int64_t step, int64_t blind, int64_t reach) {
  HeadPlan head;
  for (int64_t r = 0; r < std::min(step, tokens); ++r) {
    Slice slice{r, step, (tokens - r + step - 1) / step};
    Tile tile{slice, {}};
    if (r != blind) tile.keys.push_back({slice, reach});
    head.push_back(tile);
  }
  return std::make_shared<HeadPlan>(head);
}

AttentionPlan mixed_plan(int64_t tokens, bool causal) {
  auto local = chunk_head(tokens, 7, 0);
  return {tokens,
          causal,
          {local, chunk_head(tokens, 7, 3), window(tokens, 5), residues(tokens, 4, 2, kUnlimited),
           residues(tokens, 3, 0, 9), local}};
}

/// Held against `sees`, pair by pair.
void check_grid(const AttentionPlan& plan, const std::vector<int>& heads, int cells) {
  std::vector<const HeadPlan*> plans;
  for (int h : heads) plans.push_back(plan.heads[h].get());
  PatternGrid got = pattern_grid(plan, plans, cells);
  std::vector<int64_t> visible(static_cast<size_t>(cells) * cells), allowed(visible.size());
  for (int64_t q = 0; q < plan.tokens; ++q)
    for (int64_t k = 0; k < plan.tokens; ++k) {
      int row = 0, column = 0;
      while (q >= (row + 1) * plan.tokens / cells) ++row;
      while (k >= (column + 1) * plan.tokens / cells) ++column;
      size_t at = static_cast<size_t>(row) * cells + column;
      bool any = false;
      for (int h : heads) any = any || sees(plan, h, q, k);
      visible[at] += any;
      allowed[at] += !plan.causal || k <= q;
    }
  CHECK(got.visible == visible);
  CHECK(got.allowed == allowed);
}

}  // namespace

TEST_CASE("pattern_grid: each cell's pairs are those that sees() counts, for one head and for unions") {
  for (bool causal : {true, false})
    for (int64_t tokens : {1, 2, 31, 33, 64, 129}) {
      AttentionPlan plan = mixed_plan(tokens, causal);
      validate(plan);
      std::set<int> sizes = {1, static_cast<int>(tokens)};
      for (int cells : {2, 5, 31, 64})
        if (cells <= tokens) sizes.insert(cells);
      for (int cells : sizes) {
        CAPTURE(tokens);
        CAPTURE(cells);
        for (int h = 0; h < 5; ++h) check_grid(plan, {h}, cells);
        check_grid(plan, {0, 1}, cells);     // runs only
        check_grid(plan, {0, 1, 2}, cells);  // runs with a moving window
        check_grid(plan, {2, 3, 4}, cells);  // strided slices that overlap
        check_grid(plan, {0, 1, 2, 3, 4, 5}, cells);
      }
    }
}

TEST_CASE("pattern_grid: at a length where pairs cannot be listed, the sum is the plan's own count") {
  AttentionPlan plan = mixed_plan(32768, true);
  for (const auto& head : plan.heads) {
    PatternGrid got = pattern_grid(plan, {head.get()}, 300);
    CHECK(got.visible_pairs() == visible_pairs(*head, true));
    CHECK(got.allowed_pairs() == int64_t{32768} * 32769 / 2);
  }
  CHECK_THROWS_AS(pattern_grid(plan, {}, 0), Error);
  CHECK_THROWS_AS(pattern_grid(plan, {}, 32769), Error);
}

TEST_CASE("pattern_grid: the union over heads is the share that the bit sets count, for every pattern") {
  for (const PatternEntry& entry : registered_patterns()) {
    for (const std::string& example : entry.examples) {
      PlanPtr plan = parse_attention_spec(example).plan(129, 8);
      std::vector<const HeadPlan*> heads;
      for (const auto& head : plan->heads) heads.push_back(head.get());
      PatternGrid got = pattern_grid(*plan, heads, 10);
      CAPTURE(example);
      CHECK(static_cast<double>(got.visible_pairs()) / static_cast<double>(got.allowed_pairs()) ==
            doctest::Approx(one_layer_share(*plan)).epsilon(1e-12));
    }
  }
}

TEST_CASE("pattern_grid: bound and cell_of agree for every position") {
  for (int64_t tokens : {1, 31, 129})
    for (int cells = 1; cells <= tokens; ++cells) {
      PatternGrid grid{tokens, cells, {}, {}};
      for (int64_t p = 0; p < tokens; ++p) {
        int cell = grid.cell_of(p);
        CHECK((grid.bound(cell) <= p && p < grid.bound(cell + 1)));
      }
    }
}

TEST_CASE("group_heads: heads that look alike are one group, shared list or not") {
  AttentionPlan plan = mixed_plan(33, true);
  plan.heads.push_back(chunk_head(33, 7, 3));  // equal to head 1, another list
  auto groups = group_heads(plan);
  REQUIRE(groups.size() == 5);
  CHECK(groups[0].heads == std::vector<int>{0, 5});
  CHECK(groups[1].heads == std::vector<int>{1, 6});
  CHECK(groups[4].heads == std::vector<int>{4});
}

TEST_CASE("head_names: ranges, steps and all") {
  CHECK(head_names({3}, 8) == "head 3");
  CHECK(head_names({0}, 1) == "head 0");
  CHECK(head_names({0, 1}, 8) == "heads 0, 1");
  CHECK(head_names({0, 1, 2, 3}, 8) == "heads 0-3");
  CHECK(head_names({0, 1, 2, 6}, 8) == "heads 0-2, 6");
  CHECK(head_names({1, 3, 5, 7}, 8) == "heads 1, 3, 5, 7");
  CHECK(head_names({0, 2, 4, 6, 8}, 16) == "heads 0, 2, 4 ... 8");
  CHECK(head_names({0, 1, 2, 3}, 4) == "all 4 heads");
}
