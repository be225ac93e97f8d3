#include "train/report/plot.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "train/report/axis.h"
#include "train/report/canvas.h"

namespace scca {
namespace {

const TextStyle kTitleStyle{.size = 21, .align = Align::left, .bold = true};
const TextStyle kLabelStyle{.size = 16, .color = colors::kInk, .align = Align::center};
const TextStyle kTickStyle{.size = 14, .color = colors::kGrey, .align = Align::center};
const TextStyle kLegendStyle{.size = 15};
constexpr double kMargin = 22, kLineWidth = 2.2;
constexpr size_t kMostMarkers = 40;  // more points than this show as a line alone

void check(const std::string& path, const Chart& chart) {
  for (const Series& s : chart.series) {
    SCCA_CHECK(s.x.size() == s.y.size(), "write_chart: ", path, ": series '", s.name, "' has ", s.x.size(),
               " x values and ", s.y.size(), " y values, expected as many");
    SCCA_CHECK(s.y_error.empty() || s.y_error.size() == s.y.size(), "write_chart: ", path, ": series '",
               s.name, "' has ", s.y_error.size(), " error bars for ", s.y.size(), " points");
  }
}

struct Area {
  double left, top, right, bottom;
};

class ChartPicture {
 public:
  explicit ChartPicture(const Chart& chart) : chart_(chart), canvas_(chart.width, chart.height) {
    std::vector<double> xs, ys;
    for (const Series& s : chart.series) {
      for (size_t i = 0; i < s.x.size(); ++i) {
        if (!drawn(s.x[i], s.y[i])) continue;
        xs.push_back(s.x[i]);
        ys.push_back(s.y[i]);
        if (s.y_error.empty()) continue;
        ys.push_back(s.y[i] -
                     s.y_error[i]);  // an error bar that reaches below a log axis has no place there,
        ys.push_back(s.y[i] + s.y_error[i]);  // and make_axis leaves it out
      }
    }
    x_ = make_axis(xs, chart.log_x, 0.02);
    y_ = make_axis(ys, chart.log_y, 0.06);
  }

  const Canvas& draw() {
    area_ = {kMargin, kMargin, chart_.width - kMargin - 8, chart_.height - kMargin};
    draw_title();
    draw_legend();
    place_axes();
    draw_axes();
    for (size_t i = 0; i < chart_.series.size(); ++i) draw_series(chart_.series[i], look(i));
    return canvas_;
  }

 private:
  bool drawn(double x, double y) const {
    return Axis::has_place(x, chart_.log_x) && Axis::has_place(y, chart_.log_y);
  }
  Look look(size_t index) const { return chart_.series[index].look.value_or(nth_look(index)); }
  Point place(double x, double y) const {
    return {area_.left + x_.share(x) * (area_.right - area_.left),
            area_.bottom - y_.share(y) * (area_.bottom - area_.top)};
  }

  void draw_title() {
    for (const std::string& line : Canvas::wrap_text(chart_.title, area_.right - area_.left, kTitleStyle)) {
      canvas_.text({area_.left, area_.top + 8}, line, kTitleStyle);
      area_.top += 29;
    }
  }

  /// Above the plot, in as many rows as it takes: it never lies on the data.
  void draw_legend() {
    double x = area_.left;
    bool any = false;
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      const Series& s = chart_.series[i];
      if (s.name.empty()) continue;
      size_t points = 0;
      for (size_t p = 0; p < s.x.size(); ++p) points += drawn(s.x[p], s.y[p]);
      std::string name = points == 0 ? s.name + " (no data)" : s.name;
      name = Canvas::fit_text(name, area_.right - area_.left - kSampleWidth - 8, kLegendStyle);
      double needed = kSampleWidth + 8 + Canvas::text_width(name, kLegendStyle);
      if (x > area_.left && x + needed > area_.right) x = area_.left, area_.top += 24;
      double y = area_.top + 10;
      draw_sample(canvas_, {x, y}, look(i), has_markers(s, points));
      canvas_.text({x + kSampleWidth + 8, y}, name, kLegendStyle);
      x += needed + 26;
      any = true;
    }
    area_.top += any ? 36 : 12;
  }

  /// The plot takes what the labels leave.
  void place_axes() {
    if (!chart_.x_label.empty()) area_.bottom -= 26;
    area_.bottom -= 26;
    set_ticks(y_, std::clamp(static_cast<int>((area_.bottom - area_.top) / 55), 2, 12));
    double widest = 0;
    for (const std::string& label : y_.labels)
      widest = std::max(widest, Canvas::text_width(label, kTickStyle));
    if (!chart_.y_label.empty()) area_.left += 28;
    area_.left += widest + 10;
    SCCA_CHECK(area_.right - area_.left >= 50 && area_.bottom - area_.top >= 50,
               "write_chart: ", chart_.width, " x ", chart_.height,
               " pixels leave no room for the plot beside its labels");
    for (int most = 12; most >= 2; --most) {
      set_ticks(x_, most);
      double right = -1e9;
      bool fits = true;
      for (size_t i = 0; i < x_.ticks.size(); ++i) {
        double half = Canvas::text_width(x_.labels[i], kTickStyle) / 2, at = place(x_.ticks[i], y_.low).x;
        fits = fits && at - half > right + 14;
        right = at + half;
      }
      if (fits) break;
    }
  }

  void draw_axes() {
    TextStyle right = kTickStyle;
    right.align = Align::right;
    for (size_t i = 0; i < y_.ticks.size(); ++i) {
      double y = std::round(place(x_.low, y_.ticks[i]).y);
      canvas_.rect(area_.left, y, area_.right, y + 1, colors::kGrid);
      canvas_.text({area_.left - 9, y}, y_.labels[i], right);
    }
    for (size_t i = 0; i < x_.ticks.size(); ++i) {
      double x = std::round(place(x_.ticks[i], y_.low).x);
      canvas_.rect(x, area_.top, x + 1, area_.bottom, colors::kGrid);
      canvas_.rect(x, area_.bottom, x + 1, area_.bottom + 5, colors::kGrey);
      canvas_.text({x, area_.bottom + 17}, x_.labels[i], kTickStyle);
    }
    double left = std::round(area_.left), bottom = std::round(area_.bottom);
    canvas_.rect(left, bottom, area_.right, bottom + 1, colors::kGrey);
    canvas_.rect(left, area_.top, left + 1, bottom + 1, colors::kGrey);
    canvas_.text({(area_.left + area_.right) / 2, chart_.height - kMargin - 4}, chart_.x_label, kLabelStyle);
    TextStyle upwards = kLabelStyle;
    upwards.upwards = true;
    canvas_.text({kMargin + 8, (area_.top + area_.bottom) / 2}, chart_.y_label, upwards);
  }

  static bool has_markers(const Series& s, size_t points) {
    return points > 0 && points <= kMostMarkers && s.smooth <= 1;
  }

  void draw_series(const Series& s, Look look) {
    for (size_t i = 0; i < s.y_error.size(); ++i)
      if (drawn(s.x[i], s.y[i]) && std::isfinite(s.y_error[i])) draw_error_bar(s, i, look.color);
    size_t points = 0;
    for (size_t i = 0; i < s.x.size(); ++i) points += drawn(s.x[i], s.y[i]);
    bool smooth = s.smooth > 1;
    // Raw values under a mean are a pale band, whose dashes could not be told from its jumps.
    draw_line(s.x, s.y, smooth ? 1.2 : kLineWidth, look.color, smooth ? 0.28 : 1, smooth ? 0 : look.dash,
              has_markers(s, points));
    if (smooth) draw_line(s.x, moving_mean(s.y, s.smooth), kLineWidth, look.color, 1, look.dash, false);
  }

  void draw_error_bar(const Series& s, size_t i, Color color) {
    Point low = place(s.x[i], s.y[i] - s.y_error[i]), high = place(s.x[i], s.y[i] + s.y_error[i]);
    if (!Axis::has_place(s.y[i] - s.y_error[i], chart_.log_y)) low = {high.x, area_.bottom};
    canvas_.line(low, high, 1.4, color);
    canvas_.line({low.x - 5, low.y}, {low.x + 5, low.y}, 1.4, color);
    canvas_.line({high.x - 5, high.y}, {high.x + 5, high.y}, 1.4, color);
  }

  void draw_line(const std::vector<double>& x, const std::vector<double>& y, double thickness, Color color,
                 double opacity, double dash, bool markers) {
    std::vector<Point> run;
    auto flush = [&] {
      // A point between two gaps is a run of one: a short line would not show, so it is a dot.
      if (markers || run.size() == 1)
        for (Point p : run) canvas_.disc(p, 4.2, color, opacity);
      canvas_.polyline(thin_out(run), thickness, color, opacity, dash);
      run.clear();
    };
    for (size_t i = 0; i < x.size(); ++i) {
      if (drawn(x[i], y[i])) {
        run.push_back(place(x[i], y[i]));
      } else {
        flush();
      }
    }
    flush();
  }

  /// Of the points that follow each other within half a pixel column, the first, lowest, highest and last:
  /// the same picture from far fewer strokes.
  static std::vector<Point> thin_out(const std::vector<Point>& points) {
    std::vector<Point> out;
    for (size_t first = 0; first < points.size();) {
      auto column = std::floor(2 * points[first].x);
      size_t end = first, low = first, high = first;
      for (; end < points.size() && std::floor(2 * points[end].x) == column; ++end) {
        if (points[end].y < points[low].y) low = end;
        if (points[end].y > points[high].y) high = end;
      }
      size_t kept[] = {first, std::min(low, high), std::max(low, high), end - 1};
      for (size_t k = 0; k < 4; ++k)
        if (k == 0 || kept[k] != kept[k - 1]) out.push_back(points[kept[k]]);
      first = end;
    }
    return out;
  }

  const Chart& chart_;
  Canvas canvas_;
  Area area_{};
  Axis x_, y_;
};

}  // namespace

std::vector<double> moving_mean(const std::vector<double>& y, int window) {
  auto half = static_cast<int64_t>(std::max(0, window / 2));
  auto count = static_cast<int64_t>(y.size());
  // Running sums in long double: 10^5 losses lose no digit that a picture shows.
  std::vector<long double> sums(y.size() + 1, 0);
  std::vector<int64_t> counts(y.size() + 1, 0);
  for (size_t i = 0; i < y.size(); ++i) {
    bool finite = std::isfinite(y[i]);
    sums[i + 1] = sums[i] + (finite ? y[i] : 0.0);
    counts[i + 1] = counts[i] + finite;
  }
  std::vector<double> out = y;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(y[i])) continue;
    int64_t reach = std::min(half, i), from = i - reach, to = std::min(count, i + reach + 1);
    out[i] = static_cast<double>((sums[to] - sums[from]) / (counts[to] - counts[from]));
  }
  return out;
}

void write_chart(const std::string& path, const Chart& chart) {
  check(path, chart);
  size_t points = 0;
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.x.size(); ++i)
      points += Axis::has_place(s.x[i], chart.log_x) && Axis::has_place(s.y[i], chart.log_y);
  SCCA_CHECK(points > 0, "write_chart: ", path, ": none of the ", chart.series.size(),
             " series has a point to draw (finite",
             chart.log_x || chart.log_y ? ", and positive on a log axis" : "", ")");
  ChartPicture picture(chart);
  picture.draw().write_png(path);
}

}  // namespace scca
