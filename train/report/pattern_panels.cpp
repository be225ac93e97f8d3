#include "train/report/pattern_panels.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/check.h"
#include "train/report/axis.h"

namespace scca {
namespace {

constexpr int kPanelGap = 30, kRowGap = 14, kNameHeight = 52, kAxisHeight = 48, kNarrowestPanel = 150,
              kNarrowestPicture = 620;
constexpr int64_t kMostCellsWithTicksInside = 64;

struct Size {
  int most_panels, columns, side;
};

Size size_for(int panels) {
  static constexpr Size sizes[] = {{1, 1, 520}, {3, 3, 400}, {4, 4, 340}, {6, 3, 340}, {12, 4, 300}};
  for (const Size& size : sizes)
    if (panels <= size.most_panels) return size;
  return {panels, 6, 210};
}

}  // namespace

std::string percent(double part, double whole) {
  char text[32];
  const double value = whole == 0 ? 0.0 : 100.0 * part / whole;
  // What is not all must not read as all, nor what is not nothing as nothing.
  const char* format = value == 100 || value == 0 ? "%.0f\u00a0%%"
                       : value >= 99.95           ? "> 99.9\u00a0%%"
                       : value >= 1               ? "%.1f\u00a0%%"
                                                  : "%.2g\u00a0%%";
  std::snprintf(text, sizeof text, format, value);
  return text;
}

PatternPanels::PatternPanels(int64_t tokens, int panels) : tokens_(tokens) {
  const Size size = size_for(panels);
  columns_ = std::min(panels, size.columns);
  cells_ = static_cast<int>(std::min<int64_t>(tokens, size.side));
  cell_pixels_ = std::clamp(static_cast<int>(std::lround(static_cast<double>(size.side) / cells_)), 1, 48);
  place_ticks();

  left_ = 26;  // the word "query"
  double widest = 0;
  for (const std::string& label : labels_)
    widest = std::max(widest, Canvas::text_width(label, pattern_style::kTick));
  left_ += static_cast<int>(widest) + 8;
  panel_width_ = left_ + std::max(side(), kNarrowestPanel) + kPanelGap;
  panel_height_ = kNameHeight + side() + kAxisHeight + kRowGap;
  width_ = std::max(kNarrowestPicture, 2 * pattern_style::kMargin + columns_ * panel_width_ - kPanelGap + 12);
  height_ = (panels + columns_ - 1) / columns_ * panel_height_;
}

bool PatternPanels::ticks_inside() const { return tokens_ <= kMostCellsWithTicksInside; }

/// Few tokens: the tick names the token in the middle of whose square it stands. Many: it is a position.
void PatternPanels::place_ticks() {
  if (ticks_inside()) {
    int64_t step = 1;
    const bool doubling = (tokens_ & (tokens_ - 1)) == 0;
    for (int64_t next :
         doubling ? std::vector<int64_t>{1, 2, 4, 8, 16} : std::vector<int64_t>{1, 2, 5, 10, 20})
      if (step = next; step * cell_pixels_ >= 26) break;
    for (int64_t i = 0; i < tokens_; i += step) ticks_.push_back(static_cast<double>(i));
  } else if (tokens_ % 4 == 0) {
    for (int64_t i = 0; i <= 4; ++i) ticks_.push_back(static_cast<double>(i * tokens_ / 4));
  } else {
    ticks_ = nice_ticks(0, static_cast<double>(tokens_), 5);
  }
  for (double tick : ticks_) labels_.push_back(concat(static_cast<int64_t>(tick)));
}

void PatternPanels::draw(Canvas& canvas, int i, int top, const std::string& name, const std::string& line,
                         const std::function<Color(int row, int column)>& color) const {
  const int x0 = pattern_style::kMargin + i % columns_ * panel_width_ + left_,
            y0 = top + i / columns_ * panel_height_ + kNameHeight;
  const int cell = cell_pixels_, gap = cell >= 6 ? 1 : 0;
  for (int row = 0; row < cells_; ++row) {
    for (int column = 0; column < cells_; ++column) {
      const int x = x0 + column * cell, y = y0 + row * cell;
      canvas.rect(x, y, x + cell - gap, y + cell - gap, color(row, column));
    }
  }
  canvas.frame(x0 - 1, y0 - 1, x0 + side() + 1 - gap, y0 + side() + 1 - gap, colors::kGrey);
  canvas.text({x0 - 1.0, y0 - 37.0}, Canvas::fit_text(name, text_width(), pattern_style::kName),
              pattern_style::kName);
  canvas.text({x0 - 1.0, y0 - 15.0}, Canvas::fit_text(line, text_width(), pattern_style::kShare),
              pattern_style::kShare);
  draw_axes(canvas, x0, y0);
}

void PatternPanels::draw_axes(Canvas& canvas, int x0, int y0) const {
  const double side = this->side(), shift = ticks_inside() ? 0.5 : 0;
  TextStyle across = pattern_style::kTick, down = pattern_style::kTick, key = pattern_style::kLegend,
            query = pattern_style::kLegend;
  across.align = key.align = query.align = Align::center;
  down.align = Align::right;
  query.upwards = true;
  for (size_t i = 0; i < ticks_.size(); ++i) {
    const double at = (ticks_[i] + shift) / static_cast<double>(tokens_) * side;
    if (!ticks_inside()) {
      const double line = std::min(std::round(at), side - 1);
      canvas.rect(x0 + line, y0 + side + 1, x0 + line + 1, y0 + side + 5, colors::kGrey);
      canvas.rect(x0 - 5, y0 + line, x0 - 1, y0 + line + 1, colors::kGrey);
    }
    canvas.text({x0 + at, y0 + side + 13}, labels_[i], across);
    canvas.text({x0 - 8.0, y0 + at}, labels_[i], down);
  }
  canvas.text({x0 + side / 2, y0 + side + 34}, "key", key);
  canvas.text({x0 - left_ + 10.0, y0 + side / 2}, "query", query);
}

double draw_swatch(Canvas& canvas, double x, double y, Color color, const std::string& text) {
  const int size = pattern_style::kSwatch, left = static_cast<int>(x), top = static_cast<int>(y) - size / 2;
  canvas.rect(left, top, left + size, top + size, color);
  canvas.frame(left, top, left + size, top + size, colors::kGrey);
  canvas.text({x + size + 8, y}, text, pattern_style::kLegend);
  return x + size + 8 + Canvas::text_width(text, pattern_style::kLegend) + 28;
}

}  // namespace scca
