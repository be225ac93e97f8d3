// local: block-local attention. Query i sees the keys j of its own chunk, c(j) = c(i) with c(x) = floor(x /
// w). Information never leaves a chunk, in any number of layers: the baseline that shifting improves on.
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Local : public Pattern {
 public:
  explicit Local(Arguments& arguments) : chunk_(arguments.length("chunk", Length::fraction(1, 4))) {}

  bool visible(Extent extent, int64_t, int64_t query, int64_t key) const override {
    const int64_t w = chunk_.of(extent.tokens);
    return key / w == query / w;
  }

  HeadPlans plan(Extent extent) const override {
    const HeadPlan head = chunk_local(extent.tokens, chunk_.of(extent.tokens));
    return HeadPlans(extent.heads, std::make_shared<const HeadPlan>(head));
  }

 private:
  Length chunk_;
};

const Register<Local> line("local", "keys of the query's own chunk",
                           {"local", "local(chunk=5)", "local(chunk=1/3)", "local(chunk=1000)",
                            "local(chunk=5,sinks=3)"});

}  // namespace
}  // namespace scca
