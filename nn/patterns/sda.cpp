// sda: shifted dilated attention (SCCA, arXiv 2312.07305; our reading). A query sees its dilated
// neighbourhood, the keys of its own residue mod r, shifted by the head: j = i - (h mod r) (mod r). Together
// r heads see everything. Two more readings: with `window` the neighbourhood ends, |i - j| < window, as that
// of dilated neighbourhood attention does (DiNAT, arXiv 2209.15001, which the paper builds on; a
// neighbourhood of k keys spans k r positions); with shift=none no head is shifted, which is DiNAT's own
// form.
#include <algorithm>
#include <cstdlib>

#include "nn/patterns/bounds.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Sda : public Pattern {
 public:
  explicit Sda(Arguments& arguments)
      : dilation_(arguments.integer("dilation", 4, 1)),
        window_(arguments.length_if_given("window")),
        shifts_(arguments.choice("shift", {"head", "none"}) == "head") {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    const int64_t shift = shifts_ ? head % dilation_ : 0;
    if (window_ && std::abs(query - key) >= window_->of(extent.tokens)) return false;
    return (query - shift - key) % dilation_ == 0;
  }

  // One tile per residue of the queries: a residue class is a strided slice, dense for the kernels.
  HeadPlans plan(Extent extent) const override {
    const int64_t shifts = shifts_ ? std::min(dilation_, extent.heads) : 1;
    check_tiles(std::min(dilation_, extent.tokens) * shifts);
    HeadPlans heads;
    for (int64_t h = 0; h < extent.heads; ++h)
      heads.push_back(h < shifts ? std::make_shared<const HeadPlan>(shifted_by(h, extent.tokens))
                                 : heads[static_cast<size_t>(h % shifts)]);
    return heads;
  }

 private:
  HeadPlan shifted_by(int64_t shift, int64_t tokens) const {
    const int64_t reach = window_ ? window_->of(tokens) : kUnlimited;
    HeadPlan head;
    for (int64_t residue = 0; residue < std::min(dilation_, tokens); ++residue) {
      const int64_t seen = (residue - shift + dilation_) % dilation_;
      head.push_back(
          tile(residue_class(residue, dilation_, tokens), residue_class(seen, dilation_, tokens), reach));
    }
    return head;
  }

  int64_t dilation_;
  std::optional<Length> window_;
  bool shifts_;
};

const Register<Sda> line("sda", "every r-th key, the residue shifted by head",
                         {"sda", "sda(dilation=1)", "sda(dilation=3)", "sda(dilation=300)", "sda(shift=none)",
                          "sda(dilation=3,window=12)", "sda(dilation=2,window=7,shift=none)",
                          "sda(dilation=3,sinks=2)"});

}  // namespace
}  // namespace scca
