#include "train/report/heatmap.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/picture_check.h"

using namespace scca;

namespace {

constexpr Color kLowest{68, 1, 84}, kHighest{253, 231, 37}, kMissing{238, 238, 238};
const double not_measured = std::nan("");

Heatmap grid(int rows, int columns, std::vector<double> values) {
  Heatmap map{.title = "Recall", .row_label = "depth", .column_label = "tokens", .value_label = "found"};
  for (int r = 0; r < rows; ++r) map.row_names.push_back(std::to_string(r));
  for (int c = 0; c < columns; ++c) map.column_names.push_back(std::to_string(c));
  map.values = std::move(values);
  return map;
}

}  // namespace

TEST_CASE("heatmap: cells have the colour of their value, rows from the top, NaN apart") {
  PictureFolder folder;
  write_heatmap(folder.file("h.png"), grid(2, 3, {0, 0, 0, 1, 1, not_measured}));
  PngPixels picture(folder.file("h.png"));
  // A cell is 90 x 44 with its value written in it.
  CHECK(picture.count(kLowest) > 3 * 80 * 30);
  CHECK(picture.count(kLowest) < 3 * 90 * 44 + 200);  // and the end of the colour bar
  CHECK(picture.count(kHighest) > 2 * 80 * 30);
  CHECK(picture.count(kMissing) > 80 * 30);
  CHECK(picture.count(kMissing) < 90 * 44);
  int half = picture.height / 2;
  auto top_row = [&](Color color) {
    for (int y = 0; y < picture.height; ++y)
      if (picture.count(color, 0, y, picture.width * 3 / 4, y + 1) > 60) return y;
    return picture.height;
  };
  CHECK(top_row(kLowest) < half);
  CHECK(top_row(kHighest) == top_row(kLowest) + 44);
}

TEST_CASE("heatmap: a fixed scale holds although the values span less") {
  PictureFolder folder;
  Heatmap map = grid(1, 2, {0.5, 0.5});
  map.low = 0;
  map.high = 1;
  write_heatmap(folder.file("h.png"), map);
  PngPixels picture(folder.file("h.png"));
  CHECK(picture.count({35, 144, 140}) > 2 * 80 * 30);  // halfway between the two middle stops
}

TEST_CASE("heatmap: square cells, and colours by the root") {
  PictureFolder folder;
  Heatmap map = grid(2, 3, {0.25, 0, 0, 0, 0, 0});
  map.low = 0;
  map.high = 1;
  map.square = true;
  write_heatmap(folder.file("linear.png"), map);
  map.root = true;
  write_heatmap(folder.file("root.png"), map);
  const PngPixels linear(folder.file("linear.png")), root(folder.file("root.png"));
  const Color half{35, 144, 140};  // halfway between the two middle stops
  CHECK(linear.count(half) < 100);
  CHECK(root.count(half) >= 27 * 27);
  CHECK(root.count(half) < 27 * 27 + 100);
  CHECK(root.count(kLowest) >= 5 * 27 * 27);
  CHECK(square_cell(1) == 28);
  CHECK(square_cell(96) == 10);
  CHECK(square_cell(100000) == 2);
}

TEST_CASE("heatmap: empty names take no room from the others") {
  PictureFolder folder;
  Heatmap map = grid(100, 100, std::vector<double>(10000, 0.5));
  map.square = true;
  const auto ink = [&](const std::vector<size_t>& named) {
    map.row_names.assign(100, "");
    for (const size_t row : named) map.row_names[row] = "W";
    write_heatmap(folder.file("h.png"), map);
    const PngPixels picture(folder.file("h.png"));
    int ink = 0;
    for (int y = 100; y < 200; ++y)  // below the title
      for (int x = 50; x < 68; ++x) ink += picture.at(x, y) != colors::kWhite;
    return ink;
  };
  const int one = ink({7});
  CHECK(one > 20);
  CHECK(ink({7, 11}) == 2 * one);  // 36 pixels apart: every second row would have left both out
  CHECK(ink({7, 8}) == one);       // 9 pixels: the second has no room
}

TEST_CASE("heatmap: one cell, constant values, long names and many cells are drawn") {
  PictureFolder folder;
  write_heatmap(folder.file("h.png"), grid(1, 1, {3}));
  write_heatmap(folder.file("h.png"), grid(2, 2, {-1e12, 1e12, 0, 5}));
  write_heatmap(folder.file("h.png"), grid(100, 150, std::vector<double>(15000, 2.5)));
  CHECK(PngPixels(folder.file("h.png")).width < 1400);
  Heatmap map = grid(1, 2, {1, 2});
  map.column_names = {"full", "scca-fixed(chunk=512,shift=256)"};
  write_heatmap(folder.file("h.png"), map);
  CHECK(PngPixels(folder.file("h.png")).height > 250);
}

TEST_CASE("heatmap: what cannot be drawn is said, and no file is left") {
  PictureFolder folder;
  std::string path = folder.file("h.png");
  CHECK(contains(error_of([&] {
                   write_heatmap(path, grid(2, 2, {1, 2, 3}));
                 }),
                 "3 values for 2 rows of 2 columns"));
  CHECK(contains(error_of([&] { write_heatmap(path, Heatmap{}); }), "0 values for 0 rows"));
  CHECK(contains(error_of([&] { write_heatmap(path, grid(1, 1, {not_measured})); }), "none of the 1 values"));
  CHECK(folder.files() == 0);
}

TEST_CASE("heatmap: rows, or the whole map, show the line that they have in charts") {
  PictureFolder folder;
  const Color color = colors::kSeries[1], other = colors::kSeries[2];
  Heatmap map = grid(2, 2, {0, 0, 1, 1});
  write_heatmap(folder.file("plain.png"), map);
  map.row_looks = {{color, 0}, {other, 12}};
  write_heatmap(folder.file("rows.png"), map);
  const PngPixels plain(folder.file("plain.png")), rows(folder.file("rows.png"));
  CHECK(plain.count(color) == 0);
  CHECK(rows.width > plain.width + 50);
  CHECK(rows.count(color, 0, 0, rows.width, rows.height / 2) > 80);
  CHECK(rows.count(color, 0, rows.height / 2, rows.width, rows.height) == 0);
  CHECK(rows.count(other, 0, rows.height / 2, rows.width, rows.height) > 40);
  map.row_looks.clear();
  map.title_look = Look{color};
  write_heatmap(folder.file("title.png"), map);
  const PngPixels title(folder.file("title.png"));
  CHECK(title.width == plain.width);
  CHECK(title.count(color, 0, 0, 90, 50) > 80);
  CHECK(title.count(colors::kInk, 24, 24, 24 + 56, 40) == 0);  // the title begins behind it

  map.row_looks = {{color, 0}};
  CHECK(contains(error_of([&] { write_heatmap(folder.file("no.png"), map); }), "1 looks for 2 rows"));
}

TEST_CASE("heatmap: a small grid is as wide as the longest word of its title") {
  PictureFolder folder;
  Heatmap map = grid(1, 1, {1});
  write_heatmap(folder.file("short.png"), map);
  const std::string spec = "mix(local(chunk=64)*2,window(chunk=128),scca-fixed(chunk=64,shift=16))";
  map.title = "Passkeys found: " + spec;
  map.title_look = Look{colors::kSeries[1]};
  write_heatmap(folder.file("long.png"), map);
  const PngPixels small(folder.file("short.png")), wide(folder.file("long.png"));
  const int needed = static_cast<int>(Canvas::text_width(spec, {.size = 21, .bold = true}) + kSampleWidth);
  CHECK(small.width < needed);
  CHECK(wide.width >= needed + 48);
  CHECK(wide.count(colors::kInk, wide.width - 40, 0, wide.width - 24, 90) > 0);  // the spec's end is there
  CHECK(wide.count(colors::kInk, small.width, 90, wide.width, wide.height) ==
        0);  // the labels stay with the grid
  map.title = std::string(1000, 'x');
  write_heatmap(folder.file("longer.png"), map);
  CHECK(PngPixels(folder.file("longer.png")).width == 1200);
}
