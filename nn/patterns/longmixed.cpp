// longmixed: the paper's best perplexity (SCCA, arXiv 2312.07305; the split is our reading). The first half
// of the heads are scca-fixed, the next quarter sda with r = 2, the last quarter sda with r = 4.
#include "core/check.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class LongMixed : public Pattern {
 public:
  explicit LongMixed(Arguments& arguments) {
    const Length chunk = arguments.length("chunk", Length::fraction(1, 4));
    mix_ = parse_pattern(
        concat("mix(scca-fixed(chunk=", chunk.to_string(), ")*2, sda(dilation=2), sda(dilation=4))"));
  }

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    return mix_->visible(extent, head, query, key);
  }

  HeadPlans plan(Extent extent) const override { return mix_->plan(extent); }

 private:
  PatternPtr mix_;
};

const Register<LongMixed> line("longmixed",
                               "half of the heads scca-fixed, a quarter sda r = 2, a quarter sda r = 4",
                               {"longmixed", "longmixed(chunk=5)"});

}  // namespace
}  // namespace scca
