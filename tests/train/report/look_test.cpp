#include "train/report/look.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/picture_check.h"

using namespace scca;

namespace {

using Names = std::vector<std::string>;

const Names kPatterns{"full", "local",   "window", "s2",        "scca-fixed",
                      "mix",  "dilated", "sda",    "scca-flow", "longmixed"};

/// How many pieces of the colour a row of pixels has.
int pieces(const PngPixels& picture, int y, Color color) {
  int count = 0;
  for (int x = 1; x < picture.width; ++x) count += picture.at(x, y) == color && picture.at(x - 1, y) != color;
  return count;
}

size_t different(const std::map<std::string, Look>& looks) {
  std::set<std::pair<int, double>> seen;
  for (const auto& [name, look] : looks)
    seen.insert({look.color.r * 65536 + look.color.g * 256 + look.color.b, look.dash});
  return seen.size();
}

}  // namespace

TEST_CASE("look: parameters change nothing, and a spec of several patterns is a name of its own") {
  CHECK(look_of("local(chunk=512)") == look_of("local"));
  CHECK(look_of("mix(local*2,window)") == look_of("mix"));
  CHECK(look_of("full@0,1;scca-flow") != look_of("full"));
  CHECK(look_of("local(chunk=8)@0;full") != look_of("local"));
  CHECK(look_of("full@0,1;scca-flow") == look_of("full@0,1;scca-flow"));
}

TEST_CASE("look: all patterns and the untrained rows of a study differ; the demo's are unbroken lines") {
  Names names = kPatterns;
  for (const char* row : {"base", "base-window", "rope-untrained"}) names.push_back(row);
  std::map<std::string, Look> looks;
  for (const std::string& name : names) looks[name] = look_of(name);
  CHECK(different(looks) == names.size());
  for (const char* name : {"base", "base-window", "rope-untrained", "full", "local", "s2", "scca-fixed"})
    CHECK(look_of(name).dash == 0);
}

TEST_CASE("look: a pattern registered elsewhere has a look too, and takes no other's") {
  const Look mine = look_of("my-pattern");
  CHECK(look_of("my-pattern(chunk=5)") == mine);
  std::set<double> dashes;
  for (int i = 0; i < 100; ++i) {
    const Look look = look_of(concat("pattern-", i));
    dashes.insert(look.dash);
    for (const std::string& name : kPatterns) CHECK(look != look_of(name));
  }
  CHECK(dashes.size() > 1);
  // In any company: what else is drawn, and in which order, does not count.
  CHECK(looks_of({"my-pattern", "full"}).at("my-pattern") == mine);
  CHECK(looks_of({"base", "s2", "sda(dilation=2)", "my-pattern"}).at("my-pattern") == mine);
}

TEST_CASE("look: of two specs of a pattern the later one has the colour, and a dash that is nobody's") {
  const auto looks = looks_of({"full", "full(a=1)", "full(a=2)", "longmixed", "full"});
  CHECK(looks.at("full") == look_of("full"));
  CHECK(looks.at("longmixed") == look_of("longmixed"));  // which is full's colour, dashed
  CHECK(looks.at("full(a=1)").color == look_of("full").color);
  CHECK(different(looks) == 4);
  CHECK(looks_of({"full", "full(a=1)"}).at("full(a=1)") !=
        look_of("longmixed"));  // nor where it is not drawn

  Names many;
  for (int i = 0; i < 30; ++i) many.push_back(concat("s2(chunk=", i, ")"));
  CHECK(different(looks_of(many)) == 21);  // all there are
}

TEST_CASE("look: a sample shows the dash, and the dot of a line with points") {
  PictureFolder folder;
  Canvas canvas(100, 80);
  const Color color = colors::kSeries[0];
  draw_sample(canvas, {10, 10}, {color, 0}, false);
  draw_sample(canvas, {10, 30}, {color, 12}, true);
  draw_sample(canvas, {10, 50}, {color, 2}, false);
  canvas.write_png(folder.file("s.png"));
  const PngPixels picture(folder.file("s.png"));
  CHECK(pieces(picture, 10, color) == 1);
  CHECK(pieces(picture, 30, color) >= 3);
  CHECK(pieces(picture, 50, color) >= 5);
  CHECK(picture.count(color, 0, 0, 10, 80) == 0);
  CHECK(picture.count(color, 10 + static_cast<int>(kSampleWidth), 0, 100, 80) == 0);
  CHECK(picture.count(color, 0, 32, 100, 33) > 0);  // the dot is thicker than the line
  CHECK(picture.count(color, 0, 12, 100, 13) == 0);
}
