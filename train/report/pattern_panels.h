#pragma once
// The panels of a pattern picture: squares of cells that share one size, one grid and one pair of axes.
#include <functional>
#include <string>
#include <vector>

#include "train/report/canvas.h"

namespace scca {

namespace pattern_style {
inline constexpr Color kSeen{0, 114, 178}, kUnseen{222, 222, 222}, kFuture{246, 247, 249};
inline constexpr int kMargin = 24, kSwatch = 16;
inline const TextStyle kTitle{.size = 21, .bold = true}, kName{.size = 16, .bold = true},
    kShare{.size = 14, .color = colors::kGrey}, kTick{.size = 13, .color = colors::kGrey},
    kLegend{.size = 15};
}  // namespace pattern_style

/// "31.3 %", "0.04 %", with a space at which no line is broken; whole = 0 is "0 %".
std::string percent(double part, double whole);

class PatternPanels {
 public:
  /// So many panels of tokens x tokens pairs: the more panels, the smaller each. Few tokens: one cell a pair.
  PatternPanels(int64_t tokens, int panels);

  int64_t tokens() const { return tokens_; }
  int cells() const { return cells_; }  // a side
  bool one_cell_a_pair() const { return cells_ == tokens_; }
  int width() const { return width_; }    // of the picture
  int height() const { return height_; }  // of all panels

  /// Draws panel i, the panels beginning at `top`: its name, a line below, the cells, the axes.
  void draw(Canvas& canvas, int i, int top, const std::string& name, const std::string& line,
            const std::function<Color(int row, int column)>& color) const;
  /// The width that a panel's name and line have.
  double text_width() const { return panel_width_ - left_ - 6; }

 private:
  int side() const { return cells_ * cell_pixels_; }
  bool ticks_inside() const;
  void place_ticks();
  void draw_axes(Canvas& canvas, int x0, int y0) const;

  int64_t tokens_;
  int columns_ = 1, cells_ = 1, cell_pixels_ = 1;
  int left_ = 0, panel_width_ = 0, panel_height_ = 0, width_ = 0, height_ = 0;
  std::vector<double> ticks_;
  std::vector<std::string> labels_;
};

/// A legend's coloured square with its text; returns where the next may stand.
double draw_swatch(Canvas& canvas, double x, double y, Color color, const std::string& text);

}  // namespace scca
