#pragma once
// A grid of coloured cells as PNG: recall over context length and depth, perplexity over pattern and length.
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "train/report/look.h"

namespace scca {

struct Heatmap {
  std::string title = {}, row_label = {}, column_label = {}, value_label = {};
  // The first row is at the top. Names that have no room are left out, and empty ones take none.
  std::vector<std::string> row_names = {}, column_names = {};
  std::vector<Look> row_looks = {};     // of the line that a row has in the charts beside; one a row, or none
  std::optional<Look> title_look = {};  // the same of the whole map, where it shows one pattern
  std::vector<double> values = {};      // [rows, columns]; NaN: not measured
  // The ends of the colour scale; NaN takes the smallest or largest value there is.
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
  bool square = false;  // cells as wide as high, for a grid of one thing by itself; no values are written
  bool root = false;  // colours by the square root of a value's share of the scale: small ones are told apart
};

/// Pixels of a name, and of a side of a square cell where there are `count` in a row.
inline constexpr double kHeatmapNameSize = 14;
int square_cell(int64_t count);

/// Throws Error when the numbers of names, looks and values do not fit or no value is finite, or when the
/// file cannot be written.
void write_heatmap(const std::string& path, const Heatmap& map);

}  // namespace scca
