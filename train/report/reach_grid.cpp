#include "train/report/reach_grid.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "nn/patterns/coverage.h"
#include "train/report/pattern_grid.h"
#include "train/report/pattern_panels.h"

namespace scca {
namespace {

/// The pairs reached so far, by cell.
std::vector<int64_t> count(const Reach& reach, const PatternGrid& bounds) {
  std::vector<int64_t> pairs(static_cast<size_t>(bounds.cells) * bounds.cells);
  for (int64_t query = 0; query < bounds.tokens; ++query) {
    int64_t* row = &pairs[static_cast<size_t>(bounds.cell_of(query)) * bounds.cells];
    for (int column = 0; column < bounds.cells; ++column)
      row[column] += reach.reached(query, bounds.bound(column), bounds.bound(column + 1));
  }
  return pairs;
}

}  // namespace

ReachGrid reach_grid(std::span<const PlanPtr> plans, int64_t layers, int cells) {
  SCCA_CHECK(layers >= 1, "reach: ", layers, " layers, expected at least 1");
  Reach reach(plans);
  SCCA_CHECK(cells >= 1 && cells <= plans.front()->tokens, "reach: ", cells,
             " cells a side, expected 1 to the ", plans.front()->tokens, " tokens");
  const PatternGrid bounds{.tokens = plans.front()->tokens, .cells = cells, .visible = {}, .allowed = {}};
  ReachGrid grid;
  grid.tokens = bounds.tokens;
  grid.layers = layers;
  grid.cells = cells;
  grid.reached.resize(static_cast<size_t>(cells) * cells);
  grid.layer_sum.resize(grid.reached.size());
  for (bool grows = true; reach.layers() < layers;) {
    const bool may_grow = grows || reach.layers() < static_cast<int64_t>(plans.size());
    if (!may_grow) {
      grid.share.resize(static_cast<size_t>(layers), reach.share());
      break;
    }
    grows = reach.add_layer();
    grid.share.push_back(reach.share());
    if (!grows && reach.layers() > 1) continue;
    grid.last = reach.layers();
    const std::vector<int64_t> now = count(reach, bounds);
    for (size_t i = 0; i < now.size(); ++i) grid.layer_sum[i] += reach.layers() * (now[i] - grid.reached[i]);
    grid.reached = now;
  }
  return grid;
}

Color reach_color(double after, int64_t last) {
  // Blue, green, yellow: lighter with each layer, so that it reads in grey and with colour blindness too.
  constexpr Color middle{72, 182, 130}, latest{250, 226, 70};
  const double share = last == 1 ? 0 : (after - 1) / static_cast<double>(last - 1);
  return share < 0.5 ? mix(pattern_style::kSeen, middle, 2 * share) : mix(middle, latest, 2 * share - 1);
}

Color reach_color(const ReachGrid& grid, size_t cell, int64_t allowed) {
  const auto reached = static_cast<double>(grid.reached[cell]);
  if (reached == 0) return pattern_style::kUnseen;
  const Color color = reach_color(static_cast<double>(grid.layer_sum[cell]) / reached, grid.last);
  return mix(pattern_style::kUnseen, color, reached / static_cast<double>(allowed));
}

std::string reach_line(const std::vector<double>& share, bool causal) {
  std::string text = "Reached after 1 layer: " + percent(share[0], 1);
  size_t end = share.size();
  while (end > 1 && share[end - 1] == share[end - 2]) --end;
  for (size_t l = 1; l < end; ++l) text += concat(", ", l + 1, " layers: ", percent(share[l], 1));
  text += causal ? " of the causal pairs" : " of all pairs";
  return text + (end < share.size() && share.back() < 1 ? ", and no more after that." : ".");
}

void draw_reach_scale(Canvas& canvas, double x, double y, double width, int64_t last, bool shared) {
  const std::string meaning = concat("layers until the key's token can have influenced the query",
                                     shared ? "; mean of a pixel's pairs" : "");
  const double room = width - 16 - Canvas::text_width(meaning, pattern_style::kLegend);
  const double length =
      std::floor(std::min({400.0, 36.0 * static_cast<double>(last), std::max(room, 100.0)}));
  const double block = length / static_cast<double>(last);
  for (int i = 0; i < length; ++i)
    canvas.rect(x + i, y - 7, x + i + 1, y + 7, reach_color(1 + std::floor((i + 0.5) / block), last));
  TextStyle below = pattern_style::kTick;
  below.align = Align::center;
  int64_t step = 1;
  while (static_cast<double>(step) * block < 30) step *= step % 2 != 0 && step % 5 != 0 ? 5 : 2;
  for (int64_t layer = 1; layer <= last; layer = layer == 1 && step > 1 ? step : layer + step)
    canvas.text({x + (static_cast<double>(layer) - 0.5) * block, y + 20}, concat(layer), below);
  canvas.text({x + length + 16, y}, meaning, pattern_style::kLegend);
}

}  // namespace scca
