// scca-flow: shifted cross chunk attention in which the shift flows over the heads (SCCA, arXiv 2312.07305;
// exact offsets are our reading). With m chunks, query i in head h sees chunk c(j) = c(i) - (h mod m):
// together m heads see everything. Where that lies before the sequence the query sees nothing (early=zero) or
// its own chunk (early=local).
// Two more readings. step=half: the heads move on by half chunks, and K = 2m - 1 of them see everything: the
// window of head h begins floor(k w / 2) before the query's chunk, k = h mod K. own=half: half of the heads
// see their own chunk, as in scca-fixed; the others flow over what is earlier, k = 1 + (h' mod (K - 1)).
#include <map>

#include "nn/patterns/bounds.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class SccaFlow : public Pattern {
 public:
  explicit SccaFlow(Arguments& arguments)
      : chunk_(arguments.length("chunk", Length::fraction(1, 4))),
        early_local_(arguments.choice("early", {"zero", "local"}) == "local"),
        half_steps_(arguments.choice("step", {"chunk", "half"}) == "half"),
        own_half_(arguments.choice("own", {"flow", "half"}) == "half") {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    const int64_t w = chunk_.of(extent.tokens), own = query / w * w;
    const int64_t begin = own - moved(steps(extent, head), w);
    if (begin + w <= 0 && early_local_) return key / w == query / w;
    return begin <= key && key < begin + w;
  }

  HeadPlans plan(Extent extent) const override {
    const int64_t w = chunk_.of(extent.tokens);
    const std::vector<Slice> chunk = chunks(extent.tokens, w);
    const int64_t many = std::min(positions(extent.tokens), extent.heads);
    check_tiles(std::ssize(chunk) * many);
    std::map<int64_t, std::shared_ptr<const HeadPlan>> made;  // by steps
    HeadPlans heads;
    for (int64_t h = 0; h < extent.heads; ++h) {
      const int64_t k = steps(extent, h);
      auto& head = made[k];
      if (!head) head = std::make_shared<const HeadPlan>(moved_by(k, chunk, extent.tokens));
      heads.push_back(head);
    }
    return heads;
  }

 private:
  /// K: how many steps there are, none among them.
  int64_t positions(int64_t tokens) const {
    const int64_t w = chunk_.of(tokens), m = (tokens + w - 1) / w;
    return half_steps_ ? 2 * m - 1 : m;
  }

  /// k: how many steps this head's window has moved.
  int64_t steps(Extent extent, int64_t head) const {
    const int64_t many = positions(extent.tokens), own = own_half_ ? extent.heads / 2 : 0;
    if (!own_half_) return head % many;
    return head < own || many == 1 ? 0 : 1 + (head - own) % (many - 1);
  }

  int64_t moved(int64_t steps, int64_t w) const { return half_steps_ ? steps * w / 2 : steps * w; }

  HeadPlan moved_by(int64_t steps, const std::vector<Slice>& chunk, int64_t tokens) const {
    const int64_t w = chunk_.of(tokens), back = moved(steps, w);
    HeadPlan head;
    for (const Slice& queries : chunk) {
      const int64_t moved_begin = queries.start - back;
      const int64_t begin = moved_begin + w <= 0 && early_local_ ? queries.start : moved_begin;
      Tile tile{queries, {}};
      // A window between two chunks is cut where they meet, and a chunk where such windows meet: the slices
      // of a head are the same or share nothing, also where early queries see their own chunk.
      const int64_t border =
          early_local_ ? begin + (begin == queries.start ? w - back % w : back % w) : begin;
      for (const Slice& keys : {span(begin, border, tokens), span(border, begin + w, tokens)})
        if (keys.count > 0) tile.keys.push_back({keys, kUnlimited});
      head.push_back(tile);
    }
    return head;
  }

  Length chunk_;
  bool early_local_, half_steps_, own_half_;
};

const Register<SccaFlow> line("scca-flow", "head h sees the chunk h before the query's own",
                              {"scca-flow", "scca-flow(early=local)", "scca-flow(chunk=5)",
                               "scca-flow(chunk=1/3,early=local)", "scca-flow(chunk=1000)",
                               "scca-flow(step=half)", "scca-flow(chunk=5,early=local,step=half)",
                               "scca-flow(own=half)", "scca-flow(chunk=6,step=half,own=half)",
                               "scca-flow(chunk=1,step=half)"});

}  // namespace
}  // namespace scca
