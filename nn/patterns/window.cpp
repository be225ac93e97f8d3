// window: a sliding window. Query i sees the keys i - w < j <= i (Mistral 7B, arXiv 2310.06825; NATTEN's 1-D
// causal form, arXiv 2204.07143). Over L layers a token reaches L (w - 1) positions back.
#include <algorithm>
#include <cstdlib>

#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Window : public Pattern {
 public:
  explicit Window(Arguments& arguments) : chunk_(arguments.length("chunk", Length::fraction(1, 4))) {}

  bool visible(Extent extent, int64_t, int64_t query, int64_t key) const override {
    return std::abs(query - key) < chunk_.of(extent.tokens);
  }

  // The queries of a chunk see keys of the chunk before, of their own and, where the plan is not causal, of
  // the chunk behind. The own chunk has the reach too, though it does not need it: the next tile reads the
  // same slice, and a head's slices are identical or disjoint.
  HeadPlans plan(Extent extent) const override {
    const int64_t w = chunk_.of(extent.tokens);
    HeadPlan head;
    const std::vector<Slice> all = chunks(extent.tokens, w);
    for (size_t c = 0; c < all.size(); ++c) {
      head.push_back({all[c], {}});
      for (size_t seen = c > 0 ? c - 1 : 0; seen < std::min(c + 2, all.size()); ++seen)
        head.back().keys.push_back({all[seen], w});
    }
    return HeadPlans(extent.heads, std::make_shared<const HeadPlan>(head));
  }

 private:
  Length chunk_;
};

const Register<Window> line("window", "the last w keys",
                            {"window", "window(chunk=1)", "window(chunk=5)", "window(chunk=1/3)",
                             "window(chunk=1000)", "window(chunk=5,sinks=3)"});

}  // namespace
}  // namespace scca
