// dilated: LongNet's choice of keys (arXiv 2307.02486). Head h sees the keys j = h (mod r): the offset is
// fixed in the sequence, so all queries of a head read the same keys. With `window` those with |i - j| <
// window alone, as LongNet's segments bound them too.
#include <cstdlib>

#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Dilated : public Pattern {
 public:
  explicit Dilated(Arguments& arguments)
      : dilation_(arguments.integer("dilation", 4, 1)), window_(arguments.length_if_given("window")) {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    if (window_ && std::abs(query - key) >= window_->of(extent.tokens)) return false;
    return key % dilation_ == head % dilation_;
  }

  HeadPlans plan(Extent extent) const override {
    const Slice all = span(0, extent.tokens, extent.tokens);
    const int64_t reach = window_ ? window_->of(extent.tokens) : kUnlimited;
    HeadPlans heads;
    for (int64_t h = 0; h < extent.heads; ++h) {
      const HeadPlan head{tile(all, residue_class(h % dilation_, dilation_, extent.tokens), reach)};
      heads.push_back(h < dilation_ ? std::make_shared<const HeadPlan>(head) : heads[h % dilation_]);
    }
    return heads;
  }

 private:
  int64_t dilation_;
  std::optional<Length> window_;
};

const Register<Dilated> line("dilated", "every r-th key, the same ones for all queries of a head",
                             {"dilated", "dilated(dilation=1)", "dilated(dilation=3)",
                              "dilated(dilation=300)", "dilated(dilation=3,window=12)"});

}  // namespace
}  // namespace scca
