// scca-flow: shifted cross chunk attention in which the shift flows over the heads (SCCA, arXiv 2312.07305;
// exact offsets are our reading). With m chunks, query i in head h sees chunk c(j) = c(i) - (h mod m):
// together m heads see everything. Where that lies before the sequence the query sees nothing (early=zero) or
// its own chunk (early=local).
#include "nn/patterns/bounds.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class SccaFlow : public Pattern {
 public:
  explicit SccaFlow(Arguments& arguments)
      : chunk_(arguments.length("chunk", Length::fraction(1, 4))),
        early_local_(arguments.choice("early", {"zero", "local"}) == "local") {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    const int64_t w = chunk_.of(extent.tokens), m = (extent.tokens + w - 1) / w;
    const int64_t c = query / w, seen = c - head % m;
    return key / w == (seen < 0 && early_local_ ? c : seen);
  }

  HeadPlans plan(Extent extent) const override {
    const std::vector<Slice> chunk = chunks(extent.tokens, chunk_.of(extent.tokens));
    const size_t m = chunk.size();
    check_tiles(std::ssize(chunk) * std::min(std::ssize(chunk), extent.heads));
    HeadPlans heads;
    for (size_t h = 0; h < static_cast<size_t>(extent.heads); ++h)
      heads.push_back(h < m ? std::make_shared<const HeadPlan>(shifted_by(h, chunk)) : heads[h % m]);
    return heads;
  }

 private:
  HeadPlan shifted_by(size_t shift, const std::vector<Slice>& chunk) const {
    HeadPlan head;
    for (size_t c = 0; c < chunk.size(); ++c) {
      if (c < shift && !early_local_)
        head.push_back({chunk[c], {}});
      else
        head.push_back(tile(chunk[c], chunk[c < shift ? c : c - shift]));
    }
    return head;
  }

  Length chunk_;
  bool early_local_;
};

const Register<SccaFlow> line("scca-flow", "head h sees the chunk h before the query's own",
                              {"scca-flow", "scca-flow(early=local)", "scca-flow(chunk=5)",
                               "scca-flow(chunk=1/3,early=local)", "scca-flow(chunk=1000)"});

}  // namespace
}  // namespace scca
