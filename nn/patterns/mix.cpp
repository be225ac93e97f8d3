// mix: the heads are shared among several patterns, mix(local*2, window(chunk=512)). A part's share is that
// of its weight, rounded down, and the last part takes the rest. Inside a part h and H are its own: head 0 is
// the first of its share. A share may be empty.
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

class Mix : public Pattern {
 public:
  explicit Mix(Arguments& arguments) : parts_(arguments.parts()) {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    const std::vector<int64_t> heads = shares(extent.heads);
    size_t part = 0;
    while (head >= heads[part]) head -= heads[part++];
    return parts_[part].pattern->visible({extent.tokens, heads[part]}, head, query, key);
  }

  HeadPlans plan(Extent extent) const override {
    const std::vector<int64_t> heads = shares(extent.heads);
    HeadPlans result;
    for (size_t part = 0; part < parts_.size(); ++part) {
      if (heads[part] == 0) continue;
      const HeadPlans own = parts_[part].pattern->plan({extent.tokens, heads[part]});
      result.insert(result.end(), own.begin(), own.end());
    }
    return result;
  }

 private:
  std::vector<int64_t> shares(int64_t heads) const {
    int64_t weights = 0, rest = heads;
    for (const Part& part : parts_) weights += part.weight;
    std::vector<int64_t> result;
    for (const Part& part : parts_) {
      result.push_back(heads * part.weight / weights);
      rest -= result.back();
    }
    result.back() += rest;
    return result;
  }

  std::vector<Part> parts_;
};

const Register<Mix> line("mix", "heads shared among patterns: mix(local*2, window)",
                         {"mix(local)", "mix(local*2,window(chunk=5))", "mix(s2,sda(dilation=3)*2,scca-flow)",
                          "mix(mix(local,full),scca-fixed(chunk=7))",
                          "mix(sda(dilation=2),sda,sda(dilation=8))", "mix(local*2,dilated,sinks=4)"});

}  // namespace
}  // namespace scca
