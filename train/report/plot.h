#pragma once
// Line charts as PNG: loss over steps, perplexity over position, time over length.
#include <optional>
#include <string>
#include <vector>

#include "train/report/look.h"

namespace scca {

/// One line. A NaN, an infinity, or on a logarithmic axis a value <= 0, is a gap in it.
struct Series {
  std::string name = {};  // in the legend; empty: not there
  std::vector<double> x = {}, y = {};
  std::vector<double> y_error = {};  // error bars of y +- y_error; empty for none, else one per point
  /// Points in the moving mean drawn over the raw values, which then become pale; 0 or 1 for none. A loss
  /// curve of n steps reads well with n / 50.
  int smooth = 0;
  std::optional<Look> look = {};  // none: nth_look of its place in the chart
};

struct Chart {
  std::string title = {}, x_label = {}, y_label = {};
  bool log_x = false, log_y = false;
  std::vector<Series> series = {};
  int width = 1200, height = 750;  // of the picture, in pixels
};

/// Throws Error when x, y and y_error differ in length, when there is nothing to draw, or when the file
/// cannot be written; then no file is left behind.
void write_chart(const std::string& path, const Chart& chart);

/// The centred mean over `window` points (one more when even). At the start it narrows to what there is on
/// both sides, since a loss curve is steep there; at the end it has one side. A value that is not finite
/// stays as it is and is left out of its neighbours' means.
std::vector<double> moving_mean(const std::vector<double>& y, int window);

}  // namespace scca
