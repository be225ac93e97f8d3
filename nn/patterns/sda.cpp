// sda: shifted dilated attention (SCCA, arXiv 2312.07305; our reading). A query sees its dilated
// neighbourhood, the keys of its own residue mod r, shifted by the head: j = i - (h mod r) (mod r). Together
// r heads see everything.
#include <algorithm>

#include "nn/patterns/bounds.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Sda : public Pattern {
 public:
  explicit Sda(Arguments& arguments) : dilation_(arguments.integer("dilation", 4, 1)) {}

  bool visible(Extent, int64_t head, int64_t query, int64_t key) const override {
    return (query - head % dilation_ - key) % dilation_ == 0;
  }

  // One tile per residue of the queries: a residue class is a strided slice, dense for the kernels.
  HeadPlans plan(Extent extent) const override {
    check_tiles(std::min(dilation_, extent.tokens) * std::min(dilation_, extent.heads));
    HeadPlans heads;
    for (int64_t h = 0; h < extent.heads; ++h)
      heads.push_back(h < dilation_ ? std::make_shared<const HeadPlan>(shifted_by(h, extent.tokens))
                                    : heads[h % dilation_]);
    return heads;
  }

 private:
  HeadPlan shifted_by(int64_t shift, int64_t tokens) const {
    HeadPlan head;
    for (int64_t residue = 0; residue < std::min(dilation_, tokens); ++residue) {
      const int64_t seen = (residue - shift + dilation_) % dilation_;
      head.push_back(tile(residue_class(residue, dilation_, tokens), residue_class(seen, dilation_, tokens)));
    }
    return head;
  }

  int64_t dilation_;
};

const Register<Sda> line("sda", "every r-th key, the residue shifted by head",
                         {"sda", "sda(dilation=1)", "sda(dilation=3)", "sda(dilation=300)"});

}  // namespace
}  // namespace scca
