// s2: LongLoRA's shifted sparse attention, S2-Attn (arXiv 2309.12307, section 3.2), without its wrap-around
// leak. Half of the heads are block-local; for the others the chunks' borders lie half a chunk earlier, for
// queries and keys alike: c'(j) = c'(i) with c'(x) = floor((x + floor(w/2)) / w).
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class S2 : public Pattern {
 public:
  explicit S2(Arguments& arguments) : chunk_(arguments.length("chunk", Length::fraction(1, 4))) {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    const int64_t w = chunk_.of(extent.tokens);
    const int64_t shift = head < extent.heads / 2 ? 0 : w / 2;
    return (key + shift) / w == (query + shift) / w;
  }

  HeadPlans plan(Extent extent) const override {
    const int64_t w = chunk_.of(extent.tokens);
    return halves(chunk_local(extent.tokens, w), chunk_local(extent.tokens, w, w / 2), extent.heads);
  }

 private:
  Length chunk_;
};

const Register<S2> line("s2", "own chunk; in half of the heads the borders lie half a chunk earlier",
                        {"s2", "s2(chunk=1)", "s2(chunk=5)", "s2(chunk=1/3)", "s2(chunk=1000)"});

}  // namespace
}  // namespace scca
