// full: every query sees every key. The reference that all other patterns approximate.
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Full : public Pattern {
 public:
  explicit Full(Arguments&) {}

  bool visible(Extent, int64_t, int64_t, int64_t) const override { return true; }

  HeadPlans plan(Extent extent) const override {
    const Slice all = span(0, extent.tokens, extent.tokens);
    return HeadPlans(extent.heads, std::make_shared<const HeadPlan>(HeadPlan{tile(all, all)}));
  }
};

const Register<Full> line("full", "every key", {"full"});

}  // namespace
}  // namespace scca
