#include "train/pattern_picture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/check.h"
#include "train/axis.h"
#include "train/canvas.h"
#include "train/pattern_grid.h"

namespace scca {
namespace {

constexpr Color seen_color = colors::series[0], faint_seen{171, 205, 226}, unseen_color{222, 222, 222},
                future_color{246, 247, 249};
const TextStyle title_style{.size = 21, .bold = true}, name_style{.size = 16, .bold = true},
    share_style{.size = 14, .color = colors::grey}, tick_style{.size = 13, .color = colors::grey},
    legend_style{.size = 15};
constexpr int margin = 24, panel_gap = 30, name_height = 52, axis_height = 48, swatch = 16,
              narrowest_panel = 150;
constexpr int64_t most_cells_with_ticks_inside = 64;

/// A pixel of which a small share is seen still differs clearly from one of which nothing is: the scale
/// begins at a pale blue and follows the root.
Color shade(double share) {
  return share <= 0 ? unseen_color : mix(faint_seen, seen_color, std::sqrt(share));
}

std::string percent(int64_t part, int64_t whole) {
  char text[32];
  double value = whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  std::snprintf(text, sizeof text,
                value >= 99.95 || value == 0 ? "%.0f %%"
                : value >= 1                 ? "%.1f %%"
                                             : "%.2g %%",
                value);
  return text;
}

struct Panel {
  std::string name;
  std::vector<const HeadPlan*> heads;
};

struct Layout {
  int columns = 1, rows = 1;
  int cells = 1, cell_pixels = 1;
  int side() const { return cells * cell_pixels; }
};

Layout layout_for(int64_t tokens, int panels) {
  struct Size {
    int most_panels, columns, side;
  };
  static constexpr Size sizes[] = {{1, 1, 520}, {3, 3, 400}, {4, 4, 340}, {6, 3, 340}, {12, 4, 300}};
  Size size{panels, 6, 210};
  for (const Size& s : sizes)
    if (panels <= s.most_panels) {
      size = s;
      break;
    }
  Layout layout;
  layout.columns = std::min(panels, size.columns);
  layout.rows = (panels + layout.columns - 1) / layout.columns;
  layout.cells = static_cast<int>(std::min<int64_t>(tokens, size.side));
  layout.cell_pixels =
      std::clamp(static_cast<int>(std::lround(static_cast<double>(size.side) / layout.cells)), 1, 48);
  return layout;
}

class PatternPicture {
 public:
  PatternPicture(const AttentionPlan& plan, const std::string& title) : plan_(plan) {
    std::vector<HeadGroup> groups = group_heads(plan);
    Panel all{"union of all heads", {}};
    for (const HeadGroup& group : groups) {
      panels_.push_back({head_names(group.heads, plan.heads.size()), {group.plan}});
      all.heads.push_back(group.plan);
    }
    if (groups.size() > 1) panels_.push_back(all);
    layout_ = layout_for(plan.tokens, static_cast<int>(panels_.size()));
    place_ticks();

    left_ = 26;  // the word "query"
    double widest = 0;
    for (const std::string& label : labels_) widest = std::max(widest, Canvas::text_width(label, tick_style));
    left_ += static_cast<int>(widest) + 8;
    panel_width_ = left_ + std::max(layout_.side(), narrowest_panel) + panel_gap;
    width_ = std::max(620, 2 * margin + layout_.columns * panel_width_ - panel_gap + 12);
    title_ = Canvas::wrap_text(title, width_ - 2 * margin, title_style);
  }

  Canvas draw() {
    int panel_height = name_height + layout_.side() + axis_height;
    int panels_top = margin + static_cast<int>(title_.size()) * 29 + 6;
    int legend_top = panels_top + layout_.rows * (panel_height + 14);
    Canvas canvas(width_, legend_top + legend_height() + margin - 8);
    for (size_t i = 0; i < title_.size(); ++i)
      canvas.text({margin, margin + 8 + 29.0 * static_cast<double>(i)}, title_[i], title_style);
    for (size_t i = 0; i < panels_.size(); ++i) {
      int column = static_cast<int>(i) % layout_.columns, row = static_cast<int>(i) / layout_.columns;
      draw_panel(canvas, panels_[i], margin + column * panel_width_ + left_,
                 panels_top + row * (panel_height + 14) + name_height);
    }
    draw_legend(canvas, legend_top);
    return canvas;
  }

 private:
  bool one_cell_a_token() const { return layout_.cells == plan_.tokens; }
  bool ticks_inside() const { return plan_.tokens <= most_cells_with_ticks_inside; }

  /// Few tokens: the tick names the token in the middle of whose square it stands. Many: it is a position.
  void place_ticks() {
    int64_t tokens = plan_.tokens;
    if (ticks_inside()) {
      int64_t step = 1;
      bool doubling = (tokens & (tokens - 1)) == 0;
      for (int64_t next :
           doubling ? std::vector<int64_t>{1, 2, 4, 8, 16} : std::vector<int64_t>{1, 2, 5, 10, 20})
        if (step = next; step * layout_.cell_pixels >= 26) break;
      for (int64_t i = 0; i < tokens; i += step) ticks_.push_back(static_cast<double>(i));
    } else if (tokens % 4 == 0) {
      for (int64_t i = 0; i <= 4; ++i) ticks_.push_back(static_cast<double>(i * tokens / 4));
    } else {
      ticks_ = nice_ticks(0, static_cast<double>(tokens), 5);
    }
    for (double tick : ticks_) labels_.push_back(concat(static_cast<int64_t>(tick)));
  }

  void draw_panel(Canvas& canvas, const Panel& panel, int x0, int y0) const {
    PatternGrid grid = pattern_grid(plan_, panel.heads, layout_.cells);
    int side = layout_.side(), cell = layout_.cell_pixels, gap = cell >= 6 ? 1 : 0;
    for (int row = 0; row < grid.cells; ++row) {
      for (int column = 0; column < grid.cells; ++column) {
        size_t at = static_cast<size_t>(row) * grid.cells + column;
        int x = x0 + column * cell, y = y0 + row * cell;
        canvas.rect(x, y, x + cell - gap, y + cell - gap, cell_color(grid, at, row, column));
      }
    }
    canvas.frame(x0 - 1, y0 - 1, x0 + side + 1 - gap, y0 + side + 1 - gap, colors::grey);

    double width = panel_width_ - left_ - 6;
    std::string share = percent(grid.visible_pairs(), grid.allowed_pairs()) +
                        (plan_.causal ? " of the causal pairs" : " of all pairs");
    if (Canvas::text_width(share, share_style) > width)
      share = percent(grid.visible_pairs(), grid.allowed_pairs());
    canvas.text({x0 - 1.0, y0 - 37.0}, Canvas::fit_text(panel.name, width, name_style), name_style);
    canvas.text({x0 - 1.0, y0 - 15.0}, share, share_style);
    draw_axes(canvas, x0, y0);
  }

  Color cell_color(const PatternGrid& grid, size_t at, int row, int column) const {
    if (grid.allowed[at] == 0) return future_color;
    double pairs = static_cast<double>((grid.bound(row + 1) - grid.bound(row)) *
                                       (grid.bound(column + 1) - grid.bound(column)));
    double allowed = static_cast<double>(grid.allowed[at]);
    return mix(future_color, shade(static_cast<double>(grid.visible[at]) / allowed), allowed / pairs);
  }

  void draw_axes(Canvas& canvas, int x0, int y0) const {
    double side = layout_.side(), shift = ticks_inside() ? 0.5 : 0;
    TextStyle across = tick_style, down = tick_style, key = legend_style, query = legend_style;
    across.align = key.align = query.align = Align::center;
    down.align = Align::right;
    query.upwards = true;
    for (size_t i = 0; i < ticks_.size(); ++i) {
      double at = (ticks_[i] + shift) / static_cast<double>(plan_.tokens) * side;
      if (!ticks_inside()) {
        double line = std::min(std::round(at), side - 1);
        canvas.rect(x0 + line, y0 + side + 1, x0 + line + 1, y0 + side + 5, colors::grey);
        canvas.rect(x0 - 5, y0 + line, x0 - 1, y0 + line + 1, colors::grey);
      }
      canvas.text({x0 + at, y0 + side + 13}, labels_[i], across);
      canvas.text({x0 - 8.0, y0 + at}, labels_[i], down);
    }
    canvas.text({x0 + side / 2, y0 + side + 34}, "key", key);
    canvas.text({x0 - left_ + 10.0, y0 + side / 2}, "query", query);
  }

  struct Entry {
    std::string text;
    Color color;
  };
  std::vector<Entry> entries() const {
    std::vector<Entry> out = {{"seen", seen_color}, {"not seen", unseen_color}};
    if (plan_.causal) out.push_back({"future", future_color});
    return out;
  }
  int legend_height() const { return one_cell_a_token() ? 24 : 76; }

  void draw_legend(Canvas& canvas, int top) const {
    double x = margin, y = top + 10;
    for (const Entry& entry : entries()) {
      canvas.rect(x, y - swatch / 2, x + swatch, y + swatch / 2, entry.color);
      canvas.frame(static_cast<int>(x), static_cast<int>(y) - swatch / 2, static_cast<int>(x) + swatch,
                   static_cast<int>(y) + swatch / 2, colors::grey);
      canvas.text({x + swatch + 8, y}, entry.text, legend_style);
      x += swatch + 8 + Canvas::text_width(entry.text, legend_style) + 28;
    }
    if (one_cell_a_token()) return;
    // The scale of shades, its share growing as the square: evenly spaced shades.
    double side = static_cast<double>(plan_.tokens) / layout_.cells;
    std::string text = concat("share of a pixel's ", short_label(std::round(side * 10) / 10), " x ",
                              short_label(std::round(side * 10) / 10), " pairs that is seen");
    double bar = margin, length = 400;
    y += 26;
    for (int i = 0; i < length; ++i)
      canvas.rect(bar + i, y - 7, bar + i + 1, y + 7, shade((i + 0.5) * (i + 0.5) / (length * length)));
    TextStyle below = tick_style;
    below.align = Align::center;
    for (auto [share, label] :
         {std::pair{1.0 / 64, "1/64"}, {1.0 / 16, "1/16"}, {1.0 / 4, "1/4"}, {1.0, "1"}}) {
      double at = bar + std::sqrt(share) * length;
      canvas.rect(std::min(at, bar + length - 1), y + 7, std::min(at, bar + length - 1) + 1, y + 11,
                  colors::grey);
      canvas.text({at, y + 20}, label, below);
    }
    canvas.text({bar + length + 16, y}, text, legend_style);
  }

  const AttentionPlan& plan_;
  std::vector<Panel> panels_;
  Layout layout_;
  std::vector<double> ticks_;
  std::vector<std::string> labels_, title_;
  int left_ = 0, panel_width_ = 0, width_ = 0;
};

}  // namespace

void write_pattern_picture(const std::string& path, const AttentionPlan& plan, const std::string& title) {
  SCCA_CHECK(plan.tokens >= 1 && !plan.heads.empty(), "write_pattern_picture: ", path, ": the plan has ",
             plan.tokens, " tokens and ", plan.heads.size(), " heads, expected at least one of each");
  PatternPicture(plan, title).draw().write_png(path);
}

}  // namespace scca
