#include "train/report/pattern_picture.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/check.h"
#include "nn/patterns/coverage.h"
#include "train/report/axis.h"
#include "train/report/pattern_grid.h"
#include "train/report/pattern_panels.h"
#include "train/report/reach_grid.h"

namespace scca {
namespace {

constexpr Color kFaintSeen{171, 205, 226};
constexpr int kTitleLine = 29, kTextLine = 24;

/// A pixel of which a small share is seen still differs clearly from one of which nothing is: the scale
/// begins at a pale blue and follows the root.
Color shade(double share) {
  return share <= 0 ? pattern_style::kUnseen : mix(kFaintSeen, pattern_style::kSeen, std::sqrt(share));
}

/// Pairs on the diagonal's cells lie half in the future: paler.
Color over_future(const PatternGrid& grid, int row, int column, Color color) {
  const auto pairs = static_cast<double>((grid.bound(row + 1) - grid.bound(row)) *
                                         (grid.bound(column + 1) - grid.bound(column)));
  const auto allowed = static_cast<double>(grid.allowed[static_cast<size_t>(row) * grid.cells + column]);
  return mix(pattern_style::kFuture, color, allowed / pairs);
}

struct Panel {
  std::string name;
  std::vector<const HeadPlan*> heads;
};

std::vector<Panel> head_panels(const AttentionPlan& plan) {
  std::vector<Panel> panels;
  Panel all{"union of all heads", {}};
  for (const HeadGroup& group : group_heads(plan)) {
    panels.push_back({head_names(group.heads, plan.heads.size()), {group.plan}});
    all.heads.push_back(group.plan);
  }
  if (panels.size() > 1) panels.push_back(all);
  return panels;
}

class PatternPicture {
 public:
  PatternPicture(const AttentionPlan& plan, const std::string& title, std::span<const PlanPtr> plans,
                 int64_t layers)
      : plan_(plan),
        heads_(head_panels(plan)),
        with_reach_(layers >= 1 && plan.tokens <= kMaxExactReach),
        panels_(plan.tokens, static_cast<int>(heads_.size()) + with_reach_) {
    const int width = inner_width();
    title_ = Canvas::wrap_text(title, width, pattern_style::kTitle);
    std::string text;
    if (with_reach_) {
      reach_ = reach_grid(plans, layers, panels_.cells());
      text = reach_line(reach_->share, plan.causal);
    } else if (layers >= 1) {
      text = concat("Reach over layers is drawn for at most ", kMaxExactReach, " tokens.");
    }
    if (!text.empty()) note_ = Canvas::wrap_text(text, width, pattern_style::kLegend);
  }

  Canvas draw() const {
    const int panels_top = pattern_style::kMargin + static_cast<int>(title_.size()) * kTitleLine + 6;
    const int legend_top = panels_top + panels_.height();
    const int note_top = legend_top + legend_height();
    Canvas canvas(panels_.width(), note_top + static_cast<int>(note_.size()) * kTextLine +
                                       (note_.empty() ? 0 : 6) + pattern_style::kMargin - 8);
    for (size_t i = 0; i < title_.size(); ++i)
      canvas.text({pattern_style::kMargin, pattern_style::kMargin + 8 + kTitleLine * static_cast<double>(i)},
                  title_[i], pattern_style::kTitle);
    int place = 0;
    for (const Panel& panel : heads_) draw_heads(canvas, panel, place++, panels_top);
    if (reach_) draw_reach(canvas, place, panels_top);
    draw_legend(canvas, legend_top);
    for (size_t i = 0; i < note_.size(); ++i)
      canvas.text({pattern_style::kMargin, note_top + 16 + kTextLine * static_cast<double>(i)}, note_[i],
                  pattern_style::kLegend);
    return canvas;
  }

 private:
  int inner_width() const { return panels_.width() - 2 * pattern_style::kMargin; }

  /// With the words where the panel has room for them.
  std::string share_line(double part, double whole) const {
    const std::string number = percent(part, whole),
                      text = number + (plan_.causal ? " of the causal pairs" : " of all pairs");
    return Canvas::text_width(text, pattern_style::kShare) <= panels_.text_width() ? text : number;
  }

  void draw_heads(Canvas& canvas, const Panel& panel, int place, int top) const {
    const PatternGrid grid = pattern_grid(plan_, panel.heads, panels_.cells());
    const std::string line =
        share_line(static_cast<double>(grid.visible_pairs()), static_cast<double>(grid.allowed_pairs()));
    panels_.draw(canvas, place, top, panel.name, line, [&](int row, int column) {
      const size_t at = static_cast<size_t>(row) * grid.cells + column;
      if (grid.allowed[at] == 0) return pattern_style::kFuture;
      const double share = static_cast<double>(grid.visible[at]) / static_cast<double>(grid.allowed[at]);
      return over_future(grid, row, column, shade(share));
    });
  }

  void draw_reach(Canvas& canvas, int place, int top) const {
    const PatternGrid grid = pattern_grid(plan_, {}, panels_.cells());
    const std::string name =
        concat("reach after ", reach_->layers, reach_->layers == 1 ? " layer" : " layers");
    panels_.draw(canvas, place, top, name, share_line(reach_->share.back(), 1), [&](int row, int column) {
      const size_t at = static_cast<size_t>(row) * grid.cells + column;
      if (grid.allowed[at] == 0) return pattern_style::kFuture;
      return over_future(grid, row, column, reach_color(*reach_, at, grid.allowed[at]));
    });
  }

  int legend_height() const { return 24 + (panels_.one_cell_a_pair() ? 0 : 52) + (reach_ ? 50 : 0); }

  void draw_legend(Canvas& canvas, int top) const {
    double x = pattern_style::kMargin, y = top + 10;
    x = draw_swatch(canvas, x, y, pattern_style::kSeen, "seen");
    x = draw_swatch(canvas, x, y, pattern_style::kUnseen, reach_ ? "not seen, not reached" : "not seen");
    if (plan_.causal) draw_swatch(canvas, x, y, pattern_style::kFuture, "future");
    y += 26;
    if (!panels_.one_cell_a_pair()) {
      draw_shades(canvas, y);
      y += 50;
    }
    if (reach_)
      draw_reach_scale(canvas, pattern_style::kMargin, y, inner_width(), reach_->last,
                       !panels_.one_cell_a_pair());
  }

  /// The scale of shades, its share growing as the square: evenly spaced shades.
  void draw_shades(Canvas& canvas, double y) const {
    const std::string pixel =
        short_label(std::round(static_cast<double>(plan_.tokens) / panels_.cells() * 10) / 10);
    const std::string text = concat("share of a pixel's ", pixel, " x ", pixel, " pairs that is seen");
    const double bar = pattern_style::kMargin,
                 room = inner_width() - 16 - Canvas::text_width(text, pattern_style::kLegend),
                 length = std::floor(std::min(400.0, room));
    for (int i = 0; i < length; ++i)
      canvas.rect(bar + i, y - 7, bar + i + 1, y + 7, shade((i + 0.5) * (i + 0.5) / (length * length)));
    TextStyle below = pattern_style::kTick;
    below.align = Align::center;
    for (auto [share, label] :
         {std::pair{1.0 / 64, "1/64"}, {1.0 / 16, "1/16"}, {1.0 / 4, "1/4"}, {1.0, "1"}}) {
      const double at = bar + std::sqrt(share) * length, line = std::min(at, bar + length - 1);
      canvas.rect(line, y + 7, line + 1, y + 11, colors::kGrey);
      if (share > 1.0 / 64 || length >= 300) canvas.text({at, y + 20}, label, below);  // else they touch
    }
    canvas.text({bar + length + 16, y}, text, pattern_style::kLegend);
  }

  const AttentionPlan& plan_;
  std::vector<Panel> heads_;
  bool with_reach_;
  PatternPanels panels_;
  std::optional<ReachGrid> reach_;
  std::vector<std::string> title_, note_;
};

}  // namespace

void write_pattern_picture(const std::string& path, const AttentionPlan& plan, const std::string& title,
                           std::span<const PlanPtr> plans, int64_t layers) {
  SCCA_CHECK(plan.tokens >= 1 && !plan.heads.empty(), "write_pattern_picture: ", path, ": the plan has ",
             plan.tokens, " tokens and ", plan.heads.size(), " heads, expected at least one of each");
  for (const PlanPtr& other : plans)
    SCCA_CHECK(other->tokens == plan.tokens && other->causal == plan.causal, "write_pattern_picture: ", path,
               ": the reach is of ", other->tokens, " tokens, the plan of ", plan.tokens,
               ", or one is causal and one is not");
  PatternPicture(plan, title, plans, layers).draw().write_png(path);
}

}  // namespace scca
