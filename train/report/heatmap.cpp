#include "train/report/heatmap.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "core/check.h"
#include "train/report/axis.h"
#include "train/report/canvas.h"

namespace scca {
namespace {

const TextStyle kTitleStyle{.size = 21, .bold = true}, kLabelStyle{.size = 16, .align = Align::center},
    kNameStyle{.size = kHeatmapNameSize, .color = colors::kGrey},
    kValueStyle{.size = 14, .align = Align::center};
constexpr int kMargin = 24, kBarWidth = 20, kBarGap = 36, kWidestForTitle = 1200;
constexpr Color kMissingColor{238, 238, 238};

/// Viridis (van der Walt and Smith): as bright as it is high, so it also reads in grey and with colour
/// blindness.
Color scale_color(double share) {
  static constexpr Color stops[] = {{68, 1, 84},    {72, 40, 120},  {62, 73, 137},  {49, 104, 142},
                                    {38, 130, 142}, {31, 158, 137}, {53, 183, 121}, {109, 205, 89},
                                    {180, 222, 44}, {253, 231, 37}};
  constexpr int last = 9;
  double at = std::clamp(share, 0.0, 1.0) * last;
  int below = std::min(static_cast<int>(at), last - 1);
  return mix(stops[below], stops[below + 1], at - below);
}

Color readable_on(Color background) {
  return 0.299 * background.r + 0.587 * background.g + 0.114 * background.b < 128 ? colors::kWhite
                                                                                  : colors::kBlack;
}

/// Enough decimals to tell the values of the scale apart, the same for all.
std::string value_text(double value, double range) {
  int decimals = range >= 50 ? 0 : range >= 5 ? 1 : range >= 0.05 ? 2 : 4;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

class HeatmapPicture {
 public:
  explicit HeatmapPicture(const Heatmap& map) : map_(map) {
    low_ = high_ = std::numeric_limits<double>::quiet_NaN();
    for (double v : map.values) {
      if (!std::isfinite(v)) continue;
      low_ = std::fmin(low_, v);
      high_ = std::fmax(high_, v);
    }
    if (!std::isnan(map.low)) low_ = map.low;
    if (!std::isnan(map.high)) high_ = map.high;
    if (!(low_ < high_)) {
      low_ -= 0.5;
      high_ = low_ + 1;
    }
    measure();
  }

  Canvas draw() {
    Canvas canvas(width_, height_);
    if (map_.title_look) draw_sample(canvas, {kMargin, kMargin + 8}, *map_.title_look, false);
    for (size_t i = 0; i < title_.size(); ++i)
      canvas.text({kMargin + title_indent(), kMargin + 8 + 29.0 * static_cast<double>(i)}, title_[i],
                  kTitleStyle);
    draw_cells(canvas);
    draw_names(canvas);
    draw_bar(canvas);
    return canvas;
  }

 private:
  int rows() const { return static_cast<int>(map_.row_names.size()); }
  int columns() const { return static_cast<int>(map_.column_names.size()); }

  static constexpr int sample_room = static_cast<int>(kSampleWidth) + 12;
  double title_indent() const { return map_.title_look ? sample_room : 0; }

  static double widest(const std::vector<std::string>& texts, const TextStyle& style) {
    double width = 0;
    for (const std::string& text : texts) width = std::max(width, Canvas::text_width(text, style));
    return width;
  }

  /// Where a value stands on the scale, from 0 to 1.
  double share(double value) const {
    const double share = std::clamp((value - low_) / (high_ - low_), 0.0, 1.0);
    return map_.root ? std::sqrt(share) : share;
  }

  void set_bar() {
    bar_axis_.low = low_;
    bar_axis_.high = high_;
    const int most = std::clamp(rows() * cell_height_ / 40, 2, 6);
    if (!map_.root) return set_ticks(bar_axis_, most);
    for (int i = 0; i < most; ++i) {  // evenly along the bar
      const double root = i / (most - 1.0);
      bar_axis_.ticks.push_back(low_ + (high_ - low_) * root * root);
      bar_axis_.labels.push_back(value_text(bar_axis_.ticks.back(), high_ - low_));
    }
  }

  void measure() {
    std::vector<std::string> texts;
    for (double v : map_.values)
      if (std::isfinite(v)) texts.push_back(value_text(v, high_ - low_));
    double value_width = widest(texts, kValueStyle) + 14;
    double name_width = widest(map_.column_names, kNameStyle);
    cell_width_ =
        map_.square ? square_cell(std::max(rows(), columns())) : std::clamp(1080 / columns(), 6, 90);
    cell_height_ = map_.square ? cell_width_ : std::clamp(640 / rows(), 6, 44);
    show_values_ = !map_.square && value_width - 10 <= cell_width_ && cell_height_ >= 18;
    names_upwards_ = name_width + 8 > cell_width_;

    set_bar();
    left_ = kMargin + (map_.row_label.empty() ? 0 : 28) + (map_.row_looks.empty() ? 0 : sample_room) +
            static_cast<int>(widest(map_.row_names, kNameStyle)) + 10;
    right_ = left_ + columns() * cell_width_;
    width_ = right_ + kBarGap + kBarWidth + 10 + static_cast<int>(widest(bar_axis_.labels, kNameStyle)) +
             (map_.value_label.empty() ? 0 : 30) + kMargin;
    value_label_at_ = width_ - kMargin - 4;
    // A pattern's spec is one word, which no line break helps: a small grid becomes wider for it.
    std::istringstream words(map_.title);
    for (std::string word; words >> word;)
      width_ = std::clamp(
          static_cast<int>(Canvas::text_width(word, kTitleStyle) + title_indent()) + 2 * kMargin + 1, width_,
          std::max(width_, kWidestForTitle));
    title_ = Canvas::wrap_text(map_.title, width_ - 2 * kMargin - title_indent(), kTitleStyle);
    top_ = kMargin + static_cast<int>(title_.size()) * 29 + 10;
    bottom_ = top_ + rows() * cell_height_;
    names_height_ = names_upwards_ ? static_cast<int>(name_width) + 12 : 24;
    height_ = bottom_ + names_height_ + (map_.column_label.empty() ? 0 : 28) + kMargin - 8;
  }

  void draw_cells(Canvas& canvas) const {
    int gap = cell_width_ >= 10 && cell_height_ >= 10 ? 1 : 0;
    for (int row = 0; row < rows(); ++row) {
      for (int column = 0; column < columns(); ++column) {
        double value = map_.values[static_cast<size_t>(row) * columns() + column];
        double x = left_ + column * cell_width_, y = top_ + row * cell_height_;
        bool measured = std::isfinite(value);
        Color color = measured ? scale_color(share(value)) : kMissingColor;
        canvas.rect(x, y, x + cell_width_ - gap, y + cell_height_ - gap, color);
        if (!show_values_) continue;
        TextStyle style = kValueStyle;
        style.color = readable_on(color);
        canvas.text({x + (cell_width_ - 1) / 2.0, y + (cell_height_ - 1) / 2.0},
                    measured ? value_text(value, high_ - low_) : "-", style);
      }
    }
  }

  /// Which names are written, where each takes 17 pixels of cells this wide.
  static std::vector<size_t> written(const std::vector<std::string>& names, int cell) {
    std::vector<size_t> written;
    for (size_t i = 0; i < names.size(); ++i) {
      const bool room = written.empty() || static_cast<int>(i - written.back()) * cell >= 17;
      if (room && !names[i].empty()) written.push_back(i);
    }
    return written;
  }

  /// Where cells are thinner than text, every second, third ... name.
  void draw_names(Canvas& canvas) const {
    TextStyle right = kNameStyle, below = kNameStyle, upwards = kLabelStyle;
    right.align = Align::right;
    below.align = names_upwards_ ? Align::right : Align::center;
    below.upwards = names_upwards_;
    upwards.upwards = true;
    for (const size_t row : written(map_.row_names, cell_height_)) {
      Point at{left_ - 9.0, top_ + (static_cast<double>(row) + 0.5) * cell_height_};
      if (!map_.row_looks.empty()) {
        draw_sample(canvas, {at.x - kSampleWidth, at.y}, map_.row_looks[row], false);
        at.x -= sample_room;
      }
      canvas.text(at, map_.row_names[row], right);
    }
    for (const size_t column : written(map_.column_names, names_upwards_ ? cell_width_ : 17))
      canvas.text({left_ + (static_cast<double>(column) + 0.5) * cell_width_,
                   bottom_ + (names_upwards_ ? 7.0 : 13.0)},
                  map_.column_names[column], below);
    canvas.text({(left_ + right_) / 2.0, height_ - kMargin - 2.0}, map_.column_label, kLabelStyle);
    canvas.text({kMargin + 8.0, (top_ + bottom_) / 2.0}, map_.row_label, upwards);
  }

  void draw_bar(Canvas& canvas) const {
    double x = right_ + kBarGap, length = bottom_ - 1 - top_;
    for (int y = 0; y < length; ++y)
      canvas.rect(x, top_ + y, x + kBarWidth, top_ + y + 1, scale_color(1 - (y + 0.5) / length));
    for (size_t i = 0; i < bar_axis_.ticks.size(); ++i) {
      double y = bottom_ - 1 - share(bar_axis_.ticks[i]) * length;
      double line = std::clamp(std::round(y), top_ + 0.0, bottom_ - 2.0);
      canvas.rect(x + kBarWidth, line, x + kBarWidth + 4, line + 1, colors::kGrey);
      canvas.text({x + kBarWidth + 8, y}, bar_axis_.labels[i], kNameStyle);
    }
    TextStyle upwards = kLabelStyle;
    upwards.upwards = true;
    canvas.text({static_cast<double>(value_label_at_), (top_ + bottom_) / 2.0}, map_.value_label, upwards);
  }

  const Heatmap& map_;
  double low_, high_;
  Axis bar_axis_;
  bool show_values_ = false, names_upwards_ = false;
  int cell_width_ = 0, cell_height_ = 0, left_ = 0, right_ = 0, top_ = 0, bottom_ = 0, names_height_ = 0;
  int width_ = 0, height_ = 0, value_label_at_ = 0;
  std::vector<std::string> title_;
};

}  // namespace

int square_cell(int64_t count) { return static_cast<int>(std::clamp<int64_t>(960 / count, 2, 28)); }

void write_heatmap(const std::string& path, const Heatmap& map) {
  SCCA_CHECK(!map.row_names.empty() && !map.column_names.empty() &&
                 map.values.size() == map.row_names.size() * map.column_names.size(),
             "write_heatmap: ", path, ": ", map.values.size(), " values for ", map.row_names.size(),
             " rows of ", map.column_names.size(), " columns");
  SCCA_CHECK(map.row_looks.empty() || map.row_looks.size() == map.row_names.size(), "write_heatmap: ", path,
             ": ", map.row_looks.size(), " looks for ", map.row_names.size(), " rows");
  SCCA_CHECK(std::any_of(map.values.begin(), map.values.end(), [](double v) { return std::isfinite(v); }),
             "write_heatmap: ", path, ": none of the ", map.values.size(), " values is finite");
  HeatmapPicture(map).draw().write_png(path);
}

}  // namespace scca
