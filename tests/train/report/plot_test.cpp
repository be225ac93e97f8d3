#include "train/report/plot.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/picture_check.h"
#include "train/report/axis.h"

using namespace scca;

namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
using Numbers = std::vector<double>;
using Strings = std::vector<std::string>;

Chart one_series(Numbers x, Numbers y) {
  Chart chart{.title = "t", .x_label = "x", .y_label = "y"};
  chart.series = {{.name = "s", .x = std::move(x), .y = std::move(y)}};
  return chart;
}

/// Rows and columns from here on belong to the plot or what is below it: past the title and the legend.
constexpr int kBelowLegend = 100;

int in_plot(const PngPixels& picture, Color color) {
  return picture.count(color, 0, kBelowLegend, picture.width, picture.height);
}

}  // namespace

TEST_CASE("axis: ticks are multiples of 1, 2 or 5 times a power of ten, as many as fit") {
  CHECK(nice_ticks(0, 10, 6) == Numbers{0, 2, 4, 6, 8, 10});
  CHECK(nice_ticks(0, 10, 5) == Numbers{0, 5, 10});
  CHECK(nice_ticks(-1, 1, 5) == Numbers{-1, -0.5, 0, 0.5, 1});
  CHECK(nice_ticks(3.61, 3.69, 5) == Numbers{3.62, 3.64, 3.66, 3.68});
  CHECK(nice_ticks(97, 1003, 10).front() == 100);
  CHECK(nice_ticks(97, 1003, 10).back() == 1000);
  for (double low : {-3e7, -1.0, 0.0, 1e-9, 12345.0})
    for (double length : {1e-7, 0.3, 1.0, 7.7, 1e5, 3e12})
      for (int most : {2, 3, 5, 12}) {
        auto ticks = nice_ticks(low, low + length, most);
        CHECK(static_cast<int>(ticks.size()) <= most);
        CHECK(static_cast<int>(ticks.size()) >=
              most / 2.5 - 1);  // the next finer step, at most 2.5 times, is too fine
        for (double tick : ticks) CHECK((tick >= low - 1e-8 * length && tick <= low + length * (1 + 1e-8)));
      }
  CHECK_THROWS_AS(nice_ticks(1, 1, 5), Error);
}

TEST_CASE("axis: logarithmic ticks are 1-2-5, decades, or every so many decades") {
  CHECK(log_ticks(1, 100, 7) == Numbers{1, 2, 5, 10, 20, 50, 100});
  CHECK(log_ticks(1, 100, 6) == Numbers{1, 10, 100});
  CHECK(log_ticks(1e-3, 1e9, 5) == Numbers{1e-3, 1, 1e3, 1e6, 1e9});
  CHECK(log_ticks(60, 72, 8) == Numbers{60, 62, 64, 66, 68, 70, 72});
  CHECK_THROWS_AS(log_ticks(0, 1, 5), Error);
}

TEST_CASE("axis: labels are short and tell the ticks apart") {
  CHECK(tick_labels({0, 0.5, 1}) == Strings{"0", "0.5", "1.0"});
  CHECK(tick_labels({0, 20000, 40000}) == Strings{"0", "20k", "40k"});
  CHECK(tick_labels({12345, 12346}) == Strings{"12345", "12346"});
  CHECK(tick_labels({-2e6, 0, 2e6}) == Strings{"-2M", "0", "2M"});
  CHECK(tick_labels({0, 1e-5, 2e-5}) == Strings{"0", "1e-5", "2e-5"});
  CHECK(tick_labels({512, 1024, 2048, 32768}) == Strings{"512", "1024", "2048", "32768"});
  CHECK(tick_labels({0.1, 1, 10, 100000}) == Strings{"0.1", "1", "10", "100k"});
}

TEST_CASE("axis: powers of two get powers of two, steps get whole numbers, one value gets room") {
  Axis lengths = make_axis({256, 512, 4096}, true, 0.02);
  set_ticks(lengths, 8);
  CHECK(lengths.ticks == Numbers{256, 512, 1024, 2048, 4096});
  set_ticks(lengths, 3);
  CHECK(lengths.ticks == Numbers{256, 1024, 4096});
  CHECK(lengths.share(1024) == doctest::Approx(0.5));

  Axis steps = make_axis({0, 1, 2, 3}, false, 0.02);
  set_ticks(steps, 12);
  CHECK(steps.ticks == Numbers{0, 1, 2, 3});

  Axis constant = make_axis({3.25, kNotANumber, 3.25}, false, 0.05);
  CHECK(constant.share(3.25) == doctest::Approx(0.5));
  CHECK(make_axis({0, 0}, false, 0).share(0) == doctest::Approx(0.5));
  CHECK(make_axis({-1, 10, 1000}, true, 0).low == 10);
  CHECK_THROWS_AS(make_axis({-1, 0, kNotANumber}, true, 0), Error);
}

TEST_CASE("moving_mean: the plain mean of what is near, NaN left out and kept") {
  CHECK(moving_mean({5, 1, 3, 8}, 1) == Numbers{5, 1, 3, 8});
  CHECK(moving_mean({0, 3, 6, 3, 0}, 3) == Numbers{0, 3, 4, 3, 1.5});
  auto gaps = moving_mean({1, kNotANumber, 3, 5}, 3);
  CHECK(gaps[0] == 1);
  CHECK(std::isnan(gaps[1]));
  CHECK(gaps[2] == 4);
  CHECK(gaps[3] == 4);
  CHECK(moving_mean({}, 5).empty());
}

TEST_CASE("chart: every series is there in its own colour, where its values are") {
  PictureFolder folder;
  Chart chart{.title = "Loss", .x_label = "step", .y_label = "loss"};
  chart.series = {{.name = "low", .x = {0, 1}, .y = {1, 1}}, {.name = "high", .x = {0, 1}, .y = {2, 2}}};
  write_chart(folder.file("c.png"), chart);
  PngPixels picture(folder.file("c.png"));
  CHECK(picture.width == 1200);
  CHECK(picture.height == 750);
  auto mean_row = [&](Color color) {
    double sum = 0, count = 0;
    for (int y = kBelowLegend; y < picture.height; ++y)
      for (int x = 0; x < picture.width; ++x)
        if (picture.at(x, y) == color) sum += y, count += 1;
    CHECK(count > 1000);  // a line across the plot
    return sum / count;
  };
  CHECK(mean_row(colors::kSeries[0]) > mean_row(colors::kSeries[1]) + 400);
  CHECK(picture.count(colors::kSeries[0], 0, 0, picture.width, kBelowLegend) > 40);  // in the legend too
  CHECK(in_plot(picture, colors::kSeries[2]) == 0);
}

TEST_CASE("chart: a series has the look that it is given, in the legend and in the plot") {
  PictureFolder folder;
  const Look dashed{colors::kSeries[2], 12};
  Chart chart = one_series({0, 1}, {1, 1});
  chart.series[0].look = dashed;
  write_chart(folder.file("dashed.png"), chart);
  chart.series[0].look = Look{colors::kSeries[2]};
  write_chart(folder.file("whole.png"), chart);
  const PngPixels broken(folder.file("dashed.png")), whole(folder.file("whole.png"));
  CHECK(broken.count(colors::kSeries[0]) == 0);
  CHECK(in_plot(broken, dashed.color) < 0.8 * in_plot(whole, dashed.color));
  CHECK(in_plot(broken, dashed.color) > 0.5 * in_plot(whole, dashed.color));
  const auto in_legend = [](const PngPixels& picture) {
    return picture.count(colors::kSeries[2], 0, 0, picture.width, 80);
  };
  CHECK(in_legend(broken) > 40);
  CHECK(in_legend(broken) < in_legend(whole));
}

TEST_CASE("chart: raw values under a mean are not dashed") {
  PictureFolder folder;
  Numbers x, y;
  for (int i = 0; i < 100; ++i) x.push_back(i), y.push_back(i % 2);
  Chart chart = one_series(x, y);
  chart.series[0].smooth = 50;
  chart.series[0].look = Look{colors::kSeries[0], 0};
  write_chart(folder.file("whole.png"), chart);
  chart.series[0].look = Look{colors::kSeries[0], 4};
  write_chart(folder.file("dotted.png"), chart);
  const Color pale = mix(colors::kWhite, colors::kSeries[0], 0.28);
  const int raw = in_plot(PngPixels(folder.file("whole.png")), pale);
  CHECK(raw > 1000);
  CHECK(in_plot(PngPixels(folder.file("dotted.png")), pale) >= raw);
}

TEST_CASE("chart: a NaN is a gap, and a lone point is a dot") {
  PictureFolder folder;
  Numbers x, y;
  for (int i = 0; i < 101; ++i) x.push_back(i), y.push_back(1);
  write_chart(folder.file("whole.png"), one_series(x, y));
  for (int i = 30; i < 70; ++i) y[i] = i % 3 == 0 ? -std::numeric_limits<double>::infinity() : kNotANumber;
  write_chart(folder.file("gap.png"), one_series(x, y));
  PngPixels whole(folder.file("whole.png")), gap(folder.file("gap.png"));
  double share = static_cast<double>(in_plot(gap, colors::kSeries[0])) / in_plot(whole, colors::kSeries[0]);
  CHECK(share == doctest::Approx(0.59).epsilon(0.02));

  write_chart(folder.file("one.png"), one_series({5}, {3}));
  CHECK(in_plot(PngPixels(folder.file("one.png")), colors::kSeries[0]) > 30);
}

TEST_CASE("chart: a long noisy curve keeps its extremes") {
  PictureFolder folder;
  Numbers x, y;
  for (int i = 0; i < 100000; ++i) x.push_back(i), y.push_back(i == 77777 ? 10 : i == 33333 ? -10 : 0);
  write_chart(folder.file("c.png"), one_series(x, y));
  PngPixels picture(folder.file("c.png"));
  int top = picture.height, bottom = 0;
  for (int row = kBelowLegend; row < picture.height; ++row)
    for (int column = 0; column < picture.width; ++column)
      if (picture.at(column, row) == colors::kSeries[0])
        top = std::min(top, row), bottom = std::max(bottom, row);
  CHECK(bottom - top > 500);
}

TEST_CASE("chart: smoothing lays the mean over paler raw values") {
  PictureFolder folder;
  Numbers x, y;
  for (int i = 0; i < 1000; ++i) x.push_back(i), y.push_back(i % 2);
  Chart chart = one_series(x, y);
  write_chart(folder.file("raw.png"), chart);
  chart.series[0].smooth = 100;
  write_chart(folder.file("smooth.png"), chart);
  PngPixels raw(folder.file("raw.png")), smooth(folder.file("smooth.png"));
  CHECK(in_plot(raw, colors::kSeries[0]) > 20 * in_plot(smooth, colors::kSeries[0]));
  CHECK(in_plot(smooth, colors::kSeries[0]) > 500);
}

TEST_CASE("chart: error bars, many series, long names and small pictures are drawn") {
  PictureFolder folder;
  Chart chart{.title = "A title that is much longer than the picture is wide and therefore must be wrapped",
              .log_x = true,
              .log_y = true,
              .width = 500,
              .height = 600};
  for (int s = 0; s < 9; ++s)
    chart.series.push_back({.name = std::string(static_cast<size_t>(5 + 20 * s), 'a'),
                            .x = {1, 10, 100},
                            .y = {1.0 + s, 2.0 + s, -1},
                            .y_error = {0.5, 5 + 5.0 * s, 1}});
  chart.series.push_back({.name = "all gaps", .x = {1}, .y = {kNotANumber}});
  write_chart(folder.file("c.png"), chart);
  CHECK(PngPixels(folder.file("c.png")).width == 500);
}

TEST_CASE("chart: what cannot be drawn is said, and no file is left") {
  PictureFolder folder;
  std::string path = folder.file("c.png");
  CHECK(contains(error_of([&] { write_chart(path, Chart{}); }), "none of the 0 series"));
  CHECK(contains(error_of([&] {
                   write_chart(path, one_series({1, 2}, {kNotANumber, kNotANumber}));
                 }),
                 "point to draw"));
  Chart negative = one_series({1}, {-1});
  negative.log_y = true;
  CHECK(contains(error_of([&] { write_chart(path, negative); }), "positive on a log axis"));
  CHECK(contains(error_of([&] {
                   write_chart(path, one_series({1, 2}, {1}));
                 }),
                 "'s' has 2 x values and 1 y"));
  Chart bars = one_series({1, 2}, {1, 2});
  bars.series[0].y_error = {1};
  CHECK(contains(error_of([&] { write_chart(path, bars); }), "1 error bars for 2 points"));
  Chart tiny = one_series({1, 2}, {1, 2});
  tiny.width = tiny.height = 60;
  CHECK(contains(error_of([&] { write_chart(path, tiny); }), "leave no room"));
  CHECK(folder.files() == 0);
}
