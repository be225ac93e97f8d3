#pragma once
// A grid of coloured cells as PNG: recall over context length and depth, perplexity over pattern and length.
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "train/report/look.h"

namespace scca {

struct Heatmap {
  std::string title = {}, row_label = {}, column_label = {}, value_label = {};
  std::vector<std::string> row_names = {}, column_names = {};  // the first row is at the top
  std::vector<Look> row_looks = {};     // of the line that a row has in the charts beside; one a row, or none
  std::optional<Look> title_look = {};  // the same of the whole map, where it shows one pattern
  std::vector<double> values = {};      // [rows, columns]; NaN: not measured
  // The ends of the colour scale; NaN takes the smallest or largest value there is.
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
};

/// Throws Error when the numbers of names, looks and values do not fit or no value is finite, or when the
/// file cannot be written.
void write_heatmap(const std::string& path, const Heatmap& map);

}  // namespace scca
