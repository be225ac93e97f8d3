#include "nn/patterns/sinks.h"

#include <map>

#include "core/check.h"

namespace scca {
namespace {

/// The keys from `first` on.
KeySlice from(KeySlice keys, int64_t first) {
  const int64_t left_out = keys.count_below(first);
  keys.start = keys.at(left_out);
  keys.count -= left_out;
  return keys;
}

/// The sinks are a slice of their own, and all others begin behind them.
HeadPlan with_first(const HeadPlan& head, const KeySlice& sinks) {
  HeadPlan result;
  for (const Tile& tile : head) {
    result.push_back({tile.queries, {sinks}});
    for (const KeySlice& keys : tile.keys)
      if (const KeySlice left = from(keys, sinks.count); left.count > 0) result.back().keys.push_back(left);
  }
  return result;
}

class WithSinks : public Pattern {
 public:
  WithSinks(PatternPtr pattern, int64_t count) : pattern_(std::move(pattern)), count_(count) {}

  bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const override {
    return key < count_ || pattern_->visible(extent, head, query, key);
  }

  HeadPlans plan(Extent extent) const override {
    const KeySlice sinks{span(0, count_, extent.tokens), kUnlimited};
    std::map<const HeadPlan*, std::shared_ptr<const HeadPlan>> made;  // heads share lists
    HeadPlans heads = pattern_->plan(extent);
    const HeadPlans kept = heads;  // the addresses in `made` stay in use
    for (auto& head : heads) {
      auto& own = made[head.get()];
      if (!own) own = std::make_shared<const HeadPlan>(with_first(*head, sinks));
      head = own;
    }
    return heads;
  }

 private:
  PatternPtr pattern_;
  int64_t count_;
};

}  // namespace

PatternPtr with_sinks(PatternPtr pattern, int64_t count) {
  SCCA_CHECK(count >= 1, "attention sinks: ", count, " of them, expected at least 1");
  return std::make_shared<const WithSinks>(std::move(pattern), count);
}

}  // namespace scca
