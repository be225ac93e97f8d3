#include "train/report/canvas.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/picture_check.h"
#include "train/report/font.h"

using namespace scca;

namespace {

/// Darkness of a picture that began white: the sum over pixels of 1 for black, 0 for white.
double ink(const Canvas& canvas) {
  double sum = 0;
  for (int y = 0; y < canvas.height(); ++y)
    for (int x = 0; x < canvas.width(); ++x) sum += (255 - canvas.pixel(x, y).g) / 255.0;
  return sum;
}

int ink_bytes(const TextMask& mask) {
  int count = 0;
  for (uint8_t value : mask.coverage) count += value > 0;
  return count;
}

}  // namespace

TEST_CASE("canvas: the PNG holds exactly the pixels drawn") {
  PictureFolder folder;
  Canvas canvas(31, 17, {10, 20, 30});
  for (int y = 0; y < 17; ++y)
    for (int x = 0; x < 31; ++x)
      canvas.blend(x, y, {static_cast<uint8_t>(8 * x), static_cast<uint8_t>(15 * y), 7});
  canvas.write_png(folder.file("a.png"));
  PngPixels picture(folder.file("a.png"));
  REQUIRE(picture.width == 31);
  REQUIRE(picture.height == 17);
  for (int y = 0; y < 17; ++y)
    for (int x = 0; x < 31; ++x) CHECK(picture.at(x, y) == canvas.pixel(x, y));
  CHECK(folder.files() == 1);
}

TEST_CASE("canvas: opacity mixes, and what lies outside is clipped") {
  Canvas canvas(4, 3);
  canvas.blend(1, 1, colors::kBlack, 0.5);
  CHECK(canvas.pixel(1, 1) == Color{128, 128, 128});
  canvas.blend(-1, 0, colors::kBlack);
  canvas.blend(4, 0, colors::kBlack);
  canvas.blend(0, 3, colors::kBlack);
  canvas.rect(-100, -100, -1, 300, colors::kBlack);
  canvas.line({-50, -50}, {-1e7, 1e7}, 2, colors::kBlack);
  canvas.text({-40, 2}, "x", {});
  CHECK(ink(canvas) == doctest::Approx(127 / 255.0));
  CHECK_THROWS_AS(canvas.pixel(4, 0), Error);
  CHECK_THROWS_AS(Canvas(0, 5), Error);
  CHECK_THROWS_AS(Canvas(5, 20000), Error);
}

TEST_CASE("canvas: a rectangle's ink is its area, edges between pixels too") {
  Canvas canvas(20, 20);
  canvas.rect(2.25, 3.5, 10.5, 9.75, colors::kBlack);
  // Each of the edge's pixels is rounded to 1/255: at most 1/510 for each of about 2 (8 + 6) of them.
  CHECK(ink(canvas) == doctest::Approx(8.25 * 6.25).epsilon(0).scale(1).epsilon(0.002));
  CHECK(canvas.pixel(5, 5) == colors::kBlack);
  CHECK(canvas.pixel(1, 5) == colors::kWhite);
}

TEST_CASE("canvas: a line has its thickness at any angle, and is not darker where it turns back") {
  for (Point to : {Point{180, 20}, Point{20, 180}, Point{150, 133}, Point{177, 61}}) {
    Canvas canvas(200, 200);
    canvas.line({20, 20}, to, 3, colors::kBlack, 0.5);
    double length = std::hypot(to.x - 20, to.y - 20);
    double area = 3 * length + 3.14159 * 1.5 * 1.5;  // with its round ends
    CHECK(ink(canvas) == doctest::Approx(0.5 * area).epsilon(0.03));
    Canvas twice(200, 200);
    twice.polyline({{20, 20}, to, {20, 20}}, 3, colors::kBlack, 0.5);
    CHECK(ink(twice) == doctest::Approx(ink(canvas)));
  }
}

TEST_CASE("canvas: dashes leave a third of the line blank") {
  Canvas canvas(400, 20), solid(400, 20);
  solid.line({10, 10}, {370, 10}, 2, colors::kBlack);
  canvas.polyline({{10, 10}, {101, 10}, {101, 10}, {370, 10}}, 2, colors::kBlack, 1, 20);
  // A dash of 20 (with round ends, 2 more) in every 30.
  CHECK(ink(canvas) / ink(solid) == doctest::Approx(22 / 30.0).epsilon(0.05));
  CHECK(canvas.pixel(20, 10) == colors::kBlack);
  CHECK(canvas.pixel(35, 10) == colors::kWhite);
}

TEST_CASE("canvas: however short the dashes, their gaps are seen") {
  for (const double thickness : {1.2, 2.2, 3.0}) {
    Canvas canvas(400, 20);
    canvas.polyline({{10, 10}, {390, 10}}, thickness, colors::kBlack, 1, 2);
    int gaps = 0;
    for (int x = 1; x < 400; ++x)
      gaps += canvas.pixel(x, 10) == colors::kWhite && canvas.pixel(x - 1, 10) != colors::kWhite;
    CAPTURE(thickness);
    CHECK(gaps > 380 / (2 + 2.5 * thickness) - 3);
  }
}

TEST_CASE("canvas: text lies where it is anchored and upright text turns by a quarter") {
  TextStyle style{.size = 20, .color = colors::kBlack, .align = Align::center};
  Canvas across(120, 120), upwards(120, 120);
  across.text({60, 60}, "HHH", style);
  style.upwards = true;
  upwards.text({60, 60}, "HHH", style);
  CHECK(ink(across) > 50);
  CHECK(ink(upwards) == doctest::Approx(ink(across)));
  auto center = [](const Canvas& canvas, bool vertical) {
    double sum = 0, weight = 0;
    for (int y = 0; y < canvas.height(); ++y)
      for (int x = 0; x < canvas.width(); ++x) {
        double dark = 255 - canvas.pixel(x, y).g;
        sum += dark * ((vertical ? y : x) + 0.5);
        weight += dark;
      }
    return sum / weight;
  };
  for (bool vertical : {false, true}) {
    CHECK(std::fabs(center(across, vertical) - 60) < 1.6);
    CHECK(std::fabs(center(upwards, vertical) - 60) < 1.6);
  }
}

TEST_CASE("canvas: fitting and wrapping keep within the width") {
  TextStyle style{.size = 16};
  std::string text = "perplexity of every pattern \xC3\xA9\xC3\xA9\xC3\xA9 at 2048";
  for (double width : {60.0, 111.0, 200.0, 1000.0}) {
    CHECK(Canvas::text_width(Canvas::fit_text(text, width, style), style) <= width);
    std::string words;
    for (const std::string& line : Canvas::wrap_text(text, width, style)) {
      CHECK(Canvas::text_width(line, style) <= width);
      words += (words.empty() ? "" : " ") + line;
    }
    if (width >= 200) CHECK(words == text);
  }
  CHECK(Canvas::fit_text(text, 1000, style) == text);
}

TEST_CASE("font: the built-in letters stand in where no font file can be read") {
  Font missing("/nonexistent/font.ttf"), built_in("");
  CHECK(missing.built_in());
  TextMask mask = built_in.render("Loss 3.2", 14);
  CHECK(mask.width == doctest::Approx(built_in.width("Loss 3.2", 14)));
  CHECK(ink_bytes(mask) > 40);
  CHECK(built_in.width("Loss 3.2", 28) > 1.5 * mask.width);
  // Not ASCII: question marks, and no reading outside the table of letters.
  CHECK(built_in.render("\xE2\x88\x92\x01", 14).coverage == built_in.render("??", 14).coverage);
  CHECK(default_font().width("mm", 15) > default_font().width("ii", 15));
}

TEST_CASE("font: UTF-8 is decoded, broken bytes become U+FFFD") {
  CHECK(code_points("a\xC3\xA9\xE2\x88\x92\xF0\x9F\x98\x80") ==
        std::vector<uint32_t>{'a', 0xE9, 0x2212, 0x1F600});
  CHECK(code_points("\xFFz\xE2\x88") == std::vector<uint32_t>{0xFFFD, 'z', 0xFFFD});
}

TEST_CASE("canvas: a path that cannot be written is named, and nothing is left behind") {
  PictureFolder folder;
  Canvas canvas(3, 3);
  std::string missing = folder.file("no/such/folder/a.png");
  std::string said = error_of([&] { canvas.write_png(missing); });
  CHECK(contains(said, missing));
  CHECK(contains(said, "No such file or directory"));
  std::filesystem::create_directories(folder.file("taken.png/inside"));
  CHECK(contains(error_of([&] { canvas.write_png(folder.file("taken.png")); }), "taken.png"));
  CHECK(folder.files() == 1);  // the folder that was in the way; no temporary file
}
