// scca-fixed: shifted cross chunk attention with a fixed shift (SCCA, arXiv 2312.07305; exact offsets and
// head split are our reading). Half of the heads are block-local; for the others keys and values, but not
// queries, are moved by s: with c = floor(i / w), query i sees cw - s <= j < cw + w - s and so looks across
// its chunk's border.
#include "core/check.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class SccaFixed : public Pattern {
 public:
  explicit SccaFixed(Arguments& arguments)
      : chunk_(arguments.length("chunk", Length::fraction(1, 4))),
        shift_(arguments.optional_length("shift")) {
    if (shift_ && !shift_->less_than(chunk_).value_or(true))
      arguments.reject(
          "shift", concat("shift ", shift_->to_string(), " is not below the chunk, ", chunk_.to_string()));
  }

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    const int64_t w = chunk_.of(extent.tokens), s = shift(extent.tokens);
    const int64_t c = query / w;
    if (head < extent.heads / 2) return key / w == c;
    return c * w - s <= key && key < c * w + w - s;
  }

  HeadPlans plan(Extent extent) const override {
    const int64_t n = extent.tokens, w = chunk_.of(n), s = shift(n);
    HeadPlan shifted;
    for (const Slice& chunk : chunks(n, w))
      shifted.push_back(tile(chunk, span(chunk.start - s, chunk.start + w - s, n)));
    return halves(chunk_local(n, w), shifted, extent.heads);
  }

 private:
  int64_t shift(int64_t tokens) const {
    const int64_t w = chunk_.of(tokens), s = shift_ ? shift_->of_rounded_down(tokens) : w / 2;
    if (s >= w)
      fail<UsageError>("scca-fixed: at ", tokens, " tokens shift ", shift_->to_string(), " is ", s,
                       ", not below the chunk ", chunk_.to_string(), ", which is ", w);
    return s;
  }

  Length chunk_;
  std::optional<Length> shift_;  // floor(w / 2) when not given
};

const Register<SccaFixed> line(
    "scca-fixed",
    "own chunk; in half of the heads keys and values are moved by the shift, by default half the chunk",
    {"scca-fixed", "scca-fixed(chunk=5)", "scca-fixed(chunk=5,shift=0)", "scca-fixed(chunk=7,shift=6)",
     "scca-fixed(chunk=1/3,shift=1/4)", "scca-fixed(chunk=1000)"});

}  // namespace
}  // namespace scca
