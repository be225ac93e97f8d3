#include "train/pattern_picture.h"

#include <doctest/doctest.h>

#include "tests/picture_check.h"

using namespace scca;

namespace {

constexpr Color seen{0, 114, 178}, unseen{222, 222, 222}, future{246, 247, 249};

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

}  // namespace

TEST_CASE("pattern picture: few tokens show one square a pair, in the colour of what it is") {
  PictureFolder folder;
  AttentionPlan plan = shifted_chunks(8, 4, 1);
  plan.heads.resize(1);
  write_pattern_picture(folder.file("p.png"), plan, "local(chunk=4)");
  Picture picture(folder.file("p.png"));
  // The frame is the first long horizontal line of one colour; squares have equal sides from there.
  int x0 = 0, y0 = 0, side = 0;
  for (int y = 80; y < picture.height && side == 0; ++y)
    for (int x = 0; x < picture.width; ++x) {
      int run = 0;
      while (x + run < picture.width && picture.at(x + run, y) == colors::grey) ++run;
      if (run > 200) {
        x0 = x + 1, y0 = y + 1, side = run - 1;  // the last square's gap is part of the frame
        break;
      }
    }
  REQUIRE(side > 200);
  REQUIRE(side % 8 == 0);
  int cell = side / 8;
  for (int64_t q = 0; q < 8; ++q)
    for (int64_t k = 0; k < 8; ++k) {
      CAPTURE(q);
      CAPTURE(k);
      Color expected = k > q ? future : sees(plan, 0, q, k) ? seen : unseen;
      CHECK(picture.at(x0 + static_cast<int>(k) * cell + cell / 2,
                       y0 + static_cast<int>(q) * cell + cell / 2) == expected);
    }
}

TEST_CASE("pattern picture: many tokens, each distinct head once and the union") {
  PictureFolder folder;
  for (int heads : {1, 8}) {
    AttentionPlan plan = shifted_chunks(32768, 4096, heads);
    write_pattern_picture(folder.file("p.png"), plan, "s2");
    Picture picture(folder.file("p.png"));
    int seen_pixels = picture.count(seen);
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
        Picture picture(folder.file("p.png"));
        CHECK(picture.count(seen) > 0);
        CHECK((picture.count(future) > 0) == causal);
      }
}

TEST_CASE("pattern picture: an empty plan and a path that cannot be written are errors") {
  PictureFolder folder;
  CHECK(contains(error_of([&] { write_pattern_picture(folder.file("p.png"), {}, "x"); }),
                 "0 tokens and 0 heads"));
  std::string path = folder.file("none/p.png");
  CHECK(contains(error_of([&] { write_pattern_picture(path, shifted_chunks(8, 4, 2), "x"); }), path));
  CHECK(folder.files() == 0);
}
