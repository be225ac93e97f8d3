// window: a sliding window. Query i sees the keys i - w < j <= i (Mistral 7B, arXiv 2310.06825; NATTEN's 1-D
// causal form, arXiv 2204.07143). Over L layers a token reaches L (w - 1) positions back.
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Window : public Pattern {
 public:
  explicit Window(Arguments& arguments) : chunk_(arguments.length("chunk", Length::fraction(1, 4))) {}

  bool visible(Extent extent, int64_t, int64_t query, int64_t key) const override {
    return query - key < chunk_.of(extent.tokens);
  }

  // The queries of a chunk see keys of the chunk before and of their own. The own chunk has
  // the reach too, though it does not need it: the next tile reads the same slice, and a head's slices are
  // identical or disjoint.
  HeadPlans plan(Extent extent) const override {
    const int64_t w = chunk_.of(extent.tokens);
    HeadPlan head;
    KeySlice before;
    for (const Slice& chunk : chunks(extent.tokens, w)) {
      const KeySlice own{chunk, w};
      head.push_back({chunk, before.count > 0 ? std::vector{before, own} : std::vector{own}});
      before = own;
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
