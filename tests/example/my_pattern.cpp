// my-pattern: query i sees its own chunk and the first token of every sequence (an anchor that everybody
// sees). Registered from outside scca's tree: the line at the end is all that the command line needs to know
// it.
#include "nn/patterns/pattern.h"

namespace {

using namespace scca;

class MyPattern : public Pattern {
 public:
  explicit MyPattern(Arguments& arguments) : chunk_(arguments.length("chunk", Length::fraction(1, 4))) {}

  bool visible(Extent extent, int64_t, int64_t query, int64_t key) const override {
    const int64_t w = chunk_.of(extent.tokens);
    return key == 0 || key / w == query / w;
  }

  // Two key slices of a head are the same or share nothing, so the anchor is cut out of the first chunk.
  HeadPlans plan(Extent extent) const override {
    const KeySlice anchor{{0, 1, 1}, kUnlimited};
    HeadPlan head;
    for (const Slice& chunk : chunks(extent.tokens, chunk_.of(extent.tokens))) {
      head.push_back({chunk, {anchor}});
      const Slice rest = span(std::max<int64_t>(chunk.start, 1), chunk.start + chunk.count, extent.tokens);
      if (rest.count > 0) head.back().keys.push_back({rest, kUnlimited});
    }
    return HeadPlans(static_cast<size_t>(extent.heads), std::make_shared<const HeadPlan>(head));
  }

 private:
  Length chunk_;
};

const Register<MyPattern> line("my-pattern", "own chunk, and the first token",
                               {"my-pattern", "my-pattern(chunk=5)"});

}  // namespace
