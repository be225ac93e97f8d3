#pragma once
// How many layers it takes until a key's token can have influenced a query, counted into the cells of a
// picture; and that as colours, a legend and a line of text.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/attention_plan.h"
#include "train/report/canvas.h"

namespace scca {

struct ReachGrid {
  int64_t tokens = 0, layers = 0;
  int64_t last = 1;              // the last layer that reaches anything new: where the scale of colours ends
  int cells = 0;                 // a side, with the bounds of PatternGrid
  std::vector<int64_t> reached;  // [cells, cells]: pairs reached after all layers
  std::vector<int64_t>
      layer_sum;              // [cells, cells]: of these, the sum of the number of layers each takes, >= 1
  std::vector<double> share;  // [layers]: of all (causal) pairs, reached after 1, 2, ... layers
};

/// 1 <= cells <= tokens. Throws Error as Reach does (nn/patterns/coverage.h).
ReachGrid reach_grid(std::span<const PlanPtr> plans, int64_t layers, int cells);

/// The colour of "after so many layers", 1 <= after <= last: from the blue of what one layer sees to yellow.
Color reach_color(double after, int64_t last);
/// The colour of a cell of which `allowed` pairs could be reached.
Color reach_color(const ReachGrid& grid, size_t cell, int64_t allowed);

/// "reached after 1 layer 31.3 %, after 2 60.2 %, ... of the causal pairs"; what no longer grows is not
/// repeated.
std::string reach_line(const std::vector<double>& share, bool causal);

/// The scale of colours from 1 to `last`, with its meaning beside it, at most `width` wide; 50 pixels high.
/// `shared`: pixels show the mean of several pairs.
void draw_reach_scale(Canvas& canvas, double x, double y, double width, int64_t last, bool shared);

}  // namespace scca
