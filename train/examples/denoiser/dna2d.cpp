// A pattern of images from outside scca's tree: dilated neighbourhood attention in two dimensions (NATTEN's
// NA and DiNAT, arXiv 2204.07143 and 2209.15001). Pixels stand in raster order, C to a row. Query (y, x) sees
// the keys (y + d a, x + d b) with |a|, |b| <= k that lie in the image; at its edges the neighbourhood is cut
// off, where NATTEN moves it inwards. Meant for plans in both directions (AttentionSpec::bidirectional).
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/check.h"
#include "nn/patterns/bounds.h"
#include "nn/patterns/pattern.h"

namespace {

using namespace scca;

class Neighbourhood2d : public Pattern {
 public:
  explicit Neighbourhood2d(Arguments& arguments)
      : columns_(arguments.integer("columns", 0, 0)),
        radius_(arguments.integer("radius", 1, 0)),
        dilation_(arguments.integer("dilation", 1, 1)) {
    if (columns_ > 0 && columns_ <= 2 * radius_) arguments.reject("columns", kTooFew);
  }

  bool visible(Extent extent, int64_t, int64_t query, int64_t key) const override {
    const int64_t c = columns(extent), down = query / c - key / c, right = query % c - key % c;
    const int64_t most = radius_ * dilation_;
    return down % dilation_ == 0 && right % dilation_ == 0 && std::abs(down) <= most &&
           std::abs(right) <= most;
  }

  // The pixels of a column whose rows are alike (mod d) are a strided slice, of queries and of keys. Such
  // queries see 2k + 1 columns of keys within one reach: k rows away a key is at most k d (C + 1) places off,
  // k + 1 rows away at least (k + 1) d C - k d, which is more as long as C > 2k.
  HeadPlans plan(Extent extent) const override {
    const int64_t c = columns(extent), rows = std::min(dilation_, (extent.tokens + c - 1) / c);
    check_tiles(c * rows);
    HeadPlan head;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t x = 0; x < c; ++x) {
        Tile tile{column(row, x, extent.tokens, c), {}};
        if (tile.queries.count == 0) continue;
        for (int64_t b = -radius_; b <= radius_; ++b) {
          const int64_t seen = x + b * dilation_;
          if (seen < 0 || seen >= c) continue;
          const Slice keys = column(row, seen, extent.tokens, c);
          if (keys.count > 0) tile.keys.push_back({keys, radius_ * dilation_ * (c + 1) + 1});
        }
        head.push_back(tile);
      }
    return HeadPlans(static_cast<size_t>(extent.heads), std::make_shared<const HeadPlan>(head));
  }

 private:
  static constexpr const char* kTooFew =
      "columns must be more than twice the radius: a reach could not end a column";

  /// As given, else those of a square image.
  int64_t columns(Extent extent) const {
    if (columns_ > 0) return columns_;
    const int64_t side = std::llround(std::sqrt(static_cast<double>(extent.tokens)));
    if (side * side != extent.tokens)
      fail<UsageError>("dna2d: ", extent.tokens,
                       " tokens are no square image; say how many pixels a row has, ",
                       "as in dna2d(columns=32)");
    if (side <= 2 * radius_) fail<UsageError>("dna2d: ", kTooFew, "; ", side, " and ", radius_, " here");
    return side;
  }

  Slice column(int64_t row, int64_t x, int64_t tokens, int64_t c) const {
    const int64_t start = row * c + x, step = dilation_ * c;
    const int64_t count = start < tokens ? (tokens - start + step - 1) / step : 0;
    return {start, count > 1 ? step : 1, count};
  }

  int64_t columns_, radius_, dilation_;  // columns 0: the image is square
};

const Register<Neighbourhood2d> line("dna2d", "the neighbourhood of a pixel",
                                     {"dna2d(columns=8)", "dna2d(columns=5,radius=2)",
                                      "dna2d(columns=9,dilation=2)", "dna2d(columns=3,radius=0)",
                                      "dna2d(columns=7,radius=3,dilation=3)"});

}  // namespace
