// The reach by cells against plain loops over pairs, at sizes that cells do not divide.
#include "train/report/reach_grid.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "nn/patterns/spec.h"
#include "tests/picture_check.h"

using namespace scca;

namespace {

/// After how many layers each pair [query, key] is reached; 0: not within `layers`.
std::vector<int64_t> layers_taken(const std::vector<PlanPtr>& plans, int64_t layers) {
  const int64_t tokens = plans[0]->tokens;
  std::vector<int64_t> taken(static_cast<size_t>(tokens * tokens));
  for (int64_t q = 0; q < tokens; ++q) taken[q * tokens + q] = 1;
  for (int64_t layer = 1; layer <= layers; ++layer) {
    const AttentionPlan& plan = *plans[std::min<size_t>(layer - 1, plans.size() - 1)];
    const std::vector<int64_t> below = taken;
    for (int64_t q = 0; q < tokens; ++q)
      for (int64_t via = 0; via < tokens; ++via) {
        bool seen = false;
        for (size_t h = 0; h < plan.heads.size(); ++h) seen = seen || sees(plan, h, q, via);
        for (int64_t k = 0; seen && k < tokens; ++k) {
          const bool brought = via == k || (layer > 1 && below[via * tokens + k] != 0);
          if (brought && taken[q * tokens + k] == 0) taken[q * tokens + k] = layer;
        }
      }
  }
  return taken;
}

void check_grid(const ReachGrid& grid, const std::vector<int64_t>& taken) {
  const int64_t tokens = grid.tokens;
  std::vector<int64_t> reached(grid.reached.size()), sum(grid.reached.size());
  int64_t last = 1;
  for (int64_t q = 0; q < tokens; ++q)
    for (int64_t k = 0; k < tokens; ++k) {
      int row = 0, column = 0;
      while ((row + 1) * tokens / grid.cells <= q) ++row;
      while ((column + 1) * tokens / grid.cells <= k) ++column;
      const auto at = static_cast<size_t>(row) * grid.cells + column;
      reached[at] += taken[q * tokens + k] != 0;
      sum[at] += taken[q * tokens + k];
      last = std::max(last, taken[q * tokens + k]);
    }
  CHECK(grid.reached == reached);
  CHECK(grid.layer_sum == sum);
  CHECK(grid.last == last);
}

}  // namespace

TEST_CASE("reach grid: against plain loops") {
  for (const char* text : {"scca-fixed", "s2(chunk=9)", "local@1;window(chunk=5)",
                           "full@2;dilated(dilation=3)", "local(chunk=1)"})
    for (const int64_t tokens : {1, 33, 67})
      for (const int64_t layers : {1, 2, 6}) {
        CAPTURE(text);
        CAPTURE(tokens);
        CAPTURE(layers);
        const AttentionSpec spec = parse_attention_spec(text);
        std::vector<PlanPtr> plans;
        for (int64_t l = 0; l < spec.distinct_layers(); ++l) plans.push_back(spec.plan(tokens, 3, l));
        const std::vector<int64_t> taken = layers_taken(plans, layers);
        for (const int64_t cells : {int64_t{1}, (tokens + 2) / 3, tokens}) {
          const ReachGrid grid = reach_grid(plans, layers, static_cast<int>(cells));
          check_grid(grid, taken);
          REQUIRE(grid.share.size() == static_cast<size_t>(layers));
          const int64_t have = std::count_if(taken.begin(), taken.end(), [](int64_t t) { return t != 0; });
          CHECK(grid.share.back() ==
                static_cast<double>(have) / static_cast<double>(tokens * (tokens + 1) / 2));
        }
      }
}

TEST_CASE("reach grid: impossible cells and layers are refused") {
  const std::vector<PlanPtr> plans{full_plan(5, 1)};
  CHECK(error_of([&] { reach_grid(plans, 1, 6); }) == "reach: 6 cells a side, expected 1 to the 5 tokens");
  CHECK(error_of([&] { reach_grid(plans, 1, 0); }) == "reach: 0 cells a side, expected 1 to the 5 tokens");
  CHECK(error_of([&] { reach_grid(plans, 0, 5); }) == "reach: 0 layers, expected at least 1");
}

TEST_CASE("reach grid: the line of shares stops where nothing is added, and does not round up to all") {
  CHECK(reach_line({0.25}, true) == "Reached after 1 layer: 25.0\u00a0% of the causal pairs.");
  CHECK(reach_line({0.25, 0.25, 1, 1}, false) ==
        "Reached after 1 layer: 25.0\u00a0%, 2 layers: 25.0\u00a0%, 3 layers: 100\u00a0% of all pairs.");
  CHECK(reach_line({0.25, 0.9999, 0.9999}, true) ==
        "Reached after 1 layer: 25.0\u00a0%, 2 layers: > 99.9\u00a0% of the causal pairs, and no more after "
        "that.");
}

TEST_CASE("reach grid: a cell's colour says the mean of its pairs and how many are reached") {
  ReachGrid grid;
  grid.last = 3;
  grid.reached = {0, 4, 4, 2};
  grid.layer_sum = {0, 4, 8, 6};
  const Color none{222, 222, 222};
  CHECK(reach_color(grid, 0, 4) == none);
  CHECK(reach_color(grid, 1, 4) == reach_color(1, 3));
  CHECK(reach_color(grid, 2, 4) == reach_color(2, 3));
  CHECK(reach_color(grid, 3, 4) == mix(none, reach_color(3, 3), 0.5));
}

TEST_CASE("reach grid: any number of layers has a scale that fits the narrowest pictures") {
  for (const int64_t last : {1, 2, 7, 32, 126, 4095})
    for (const bool shared : {false, true}) {  // more tokens than pixels: at least two wide panels
      const int width = shared ? 900 : 640;
      Canvas canvas(width, 60);
      draw_reach_scale(canvas, 24, 10, width - 48, last, shared);
      if (last <= 32) CHECK(canvas.pixel(25, 10) == reach_color(1, last));  // else a pixel is several layers
      int ink = 0;
      for (int y = 0; y < 60; ++y)
        for (int x = width - 23; x < width; ++x) ink += canvas.pixel(x, y) != colors::kWhite;
      CHECK(ink == 0);
    }
}
