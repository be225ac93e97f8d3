#include "train/report/pattern_picture.h"

#include <doctest/doctest.h>

#include "nn/patterns/coverage.h"
#include "nn/patterns/spec.h"
#include "tests/picture_check.h"
#include "train/report/reach_grid.h"

using namespace scca;

namespace {

constexpr Color kSeen{0, 114, 178}, kUnseen{222, 222, 222}, kFuture{246, 247, 249};

/// Heads 0 .. heads/2 - 1 see their own chunk, the others a chunk that is shifted by half.
AttentionPlan shifted_chunks(int64_t tokens, int64_t width, int heads) {
  auto make = [&](int64_t first) {
    HeadPlan head;
    for (int64_t start = first; start < tokens; start += width) {
      int64_t from = std::max<int64_t>(0, start), count = std::min(tokens, start + width) - from;
      head.push_back({{from, 1, count}, {{{from, 1, count}}}});
    }
    return std::make_shared<const HeadPlan>(head);
  };
  AttentionPlan plan{tokens, true, {}};
  auto plain = make(0), shifted = make(-width / 2);
  for (int h = 0; h < heads; ++h) plan.heads.push_back(2 * h < heads ? plain : shifted);
  return plan;
}

struct Square {
  int x0, y0, side;
};

/// The panels in the picture's first row: a frame's top is a long horizontal line of one colour; equal cells
/// begin below it. (The last cell's gap is part of the frame.)
std::vector<Square> find_panels(const PngPixels& picture) {
  std::vector<Square> panels;
  for (int y = 80; y < picture.height && panels.empty(); ++y)
    for (int x = 0; x < picture.width; ++x) {
      int run = 0;
      while (x + run < picture.width && picture.at(x + run, y) == colors::kGrey) ++run;
      if (run > 200) panels.push_back({x + 1, y + 1, run - 1});
      x += run;
    }
  return panels;
}

}  // namespace

TEST_CASE("pattern picture: few tokens show one square a pair, in the colour of what it is") {
  PictureFolder folder;
  AttentionPlan plan = shifted_chunks(8, 4, 1);
  plan.heads.resize(1);
  write_pattern_picture(folder.file("p.png"), plan, "local(chunk=4)");
  PngPixels picture(folder.file("p.png"));
  const std::vector<Square> panels = find_panels(picture);
  REQUIRE(panels.size() == 1);
  const auto [x0, y0, side] = panels[0];
  REQUIRE(side % 8 == 0);
  int cell = side / 8;
  for (int64_t q = 0; q < 8; ++q)
    for (int64_t k = 0; k < 8; ++k) {
      CAPTURE(q);
      CAPTURE(k);
      Color expected = k > q ? kFuture : sees(plan, 0, q, k) ? kSeen : kUnseen;
      CHECK(picture.at(x0 + static_cast<int>(k) * cell + cell / 2,
                       y0 + static_cast<int>(q) * cell + cell / 2) == expected);
    }
}

TEST_CASE("pattern picture: many tokens, each distinct head once and the union") {
  PictureFolder folder;
  for (int heads : {1, 8}) {
    AttentionPlan plan = shifted_chunks(32768, 4096, heads);
    write_pattern_picture(folder.file("p.png"), plan, "s2");
    PngPixels picture(folder.file("p.png"));
    int seen_pixels = picture.count(kSeen);
    double side2 = heads == 1 ? 520.0 * 520 : 400.0 * 400;
    // Share of the square that is seen: 1/16 for chunks of an eighth; for the shifted ones 7 whole chunks and
    // 2 halves make 7.5/128; the union is both but the 16 half chunks they share.
    double expected = heads == 1 ? 1 / 16.0 : 1 / 16.0 + 7.5 / 128 + (8 + 7.5 - 16 * 0.25) / 128;
    CHECK(seen_pixels / side2 ==
          doctest::Approx(expected).epsilon(0.06));  // the diagonal's pixels are half seen
  }
}

TEST_CASE("pattern picture: any number of tokens and heads can be drawn, causal or not") {
  PictureFolder folder;
  for (int64_t tokens : {1, 2, 33, 65, 1000})
    for (bool causal : {true, false})
      for (int heads : {1, 2, 14}) {
        AttentionPlan plan = shifted_chunks(tokens, 5, heads);
        plan.causal = causal;
        if (heads == 14)  // fourteen different heads, in the smallest panels
          for (int h = 0; h < heads; ++h) {
            Tile all{{0, 1, tokens}, {{{0, 1, tokens}, h + 1}}};
            plan.heads[h] = std::make_shared<const HeadPlan>(HeadPlan{all});
          }
        write_pattern_picture(folder.file("p.png"), plan, "any");
        PngPixels picture(folder.file("p.png"));
        CHECK(picture.count(kSeen) > 0);
        CHECK((picture.count(kFuture) > 0) == causal);
      }
}

TEST_CASE("pattern picture: the last panel tells by colour after how many layers a pair is reached") {
  PictureFolder folder;
  const AttentionSpec spec = parse_attention_spec("full@2;local(chunk=4)");
  const std::vector<PlanPtr> plans{spec.plan(11, 2, 0), spec.plan(11, 2, 1), spec.plan(11, 2, 2)};
  for (const int64_t layers : {2, 3, 5}) {
    write_pattern_picture(folder.file("p.png"), *plans[0], "full@2;local(chunk=4)", plans, layers);
    const PngPixels picture(folder.file("p.png"));
    const std::vector<Square> panels = find_panels(picture);
    REQUIRE(panels.size() == 2);
    const auto [x0, y0, side] = panels[1];
    const int cell = side / 11;
    for (int q = 0; q < 11; ++q)
      for (int k = 0; k < 11; ++k) {
        CAPTURE(q);
        CAPTURE(k);
        const bool near = q / 4 == k / 4;  // else only the third layer, which is full, brings it
        const Color expected = k > q        ? kFuture
                               : near       ? reach_color(1, 3)
                               : layers < 3 ? kUnseen
                                            : reach_color(3, 3);
        CHECK(picture.at(x0 + k * cell + cell / 2, y0 + q * cell + cell / 2) == expected);
      }
  }
  CHECK(reach_color(1, 3) == kSeen);
  CHECK(reach_color(3, 3) != reach_color(2, 3));
}

TEST_CASE("pattern picture: beyond the exact lengths there is a note instead of the reach") {
  PictureFolder folder;
  for (const int64_t tokens : {kMaxExactReach, kMaxExactReach + 1}) {
    const auto plan = std::make_shared<const AttentionPlan>(shifted_chunks(tokens, 1000, 2));
    write_pattern_picture(folder.file("p.png"), *plan, "s2", {{plan}}, 3);
    write_pattern_picture(folder.file("none.png"), *plan, "s2");
    const PngPixels with(folder.file("p.png")), without(folder.file("none.png"));
    CHECK(find_panels(without).size() == 3);
    CHECK(find_panels(with).size() == (tokens == kMaxExactReach ? 4 : 3));
    CHECK(with.height > without.height);
    CHECK((with.count(reach_color(3, 3)) > 1000) == (tokens == kMaxExactReach));
  }
}

TEST_CASE("pattern picture: an empty plan and a path that cannot be written are errors") {
  PictureFolder folder;
  CHECK(contains(error_of([&] { write_pattern_picture(folder.file("p.png"), {}, "x"); }),
                 "0 tokens and 0 heads"));
  std::string path = folder.file("none/p.png");
  CHECK(contains(error_of([&] { write_pattern_picture(path, shifted_chunks(8, 4, 2), "x"); }), path));
  const auto other = std::make_shared<const AttentionPlan>(shifted_chunks(9, 4, 2));
  CHECK(contains(error_of([&] {
                   write_pattern_picture(folder.file("p.png"), shifted_chunks(8, 4, 2), "x", {{other}}, 2);
                 }),
                 "of 9 tokens, the plan of 8"));
  CHECK(folder.files() == 0);
}
