// dilated: LongNet's choice of keys (arXiv 2307.02486). Head h sees the keys j = h (mod r): the offset is
// fixed in the sequence, so all queries of a head read the same keys.
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Dilated : public Pattern {
 public:
  explicit Dilated(Arguments& arguments) : dilation_(arguments.integer("dilation", 4, 1)) {}

  bool visible(Extent, int64_t head, int64_t, int64_t key) const override {
    return key % dilation_ == head % dilation_;
  }

  HeadPlans plan(Extent extent) const override {
    const Slice all = span(0, extent.tokens, extent.tokens);
    HeadPlans heads;
    for (int64_t h = 0; h < extent.heads; ++h) {
      const HeadPlan head{tile(all, residue_class(h % dilation_, dilation_, extent.tokens))};
      heads.push_back(h < dilation_ ? std::make_shared<const HeadPlan>(head) : heads[h % dilation_]);
    }
    return heads;
  }

 private:
  int64_t dilation_;
};

const Register<Dilated> line("dilated", "every r-th key, the same ones for all queries of a head",
                             {"dilated", "dilated(dilation=1)", "dilated(dilation=3)",
                              "dilated(dilation=300)"});

}  // namespace
}  // namespace scca
