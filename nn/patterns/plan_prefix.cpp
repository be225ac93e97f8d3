#include "nn/patterns/plan_prefix.h"

#include <set>
#include <utility>

namespace scca {
namespace {

/// The positions below `tokens`; step 1 where one or none is left.
template <class S>
S cut(S slice, int64_t tokens) {
  slice.count = slice.count_below(tokens);
  if (slice.count < 2) slice.step = 1;
  return slice;
}

/// The tile as the first `tokens` positions see it.
Tile cut(const Tile& tile, int64_t tokens) {
  Tile result{cut(tile.queries, tokens), {}};
  for (const KeySlice& keys : tile.keys)
    if (const KeySlice left = cut(keys, tokens); left.count > 0) result.keys.push_back(left);
  return result;
}

bool continues(const HeadPlan& longer, const HeadPlan& shorter, int64_t tokens) {
  auto next = shorter.begin();
  for (const Tile& tile : longer) {
    const Tile left = cut(tile, tokens);
    if (left.queries.count == 0) continue;
    if (next == shorter.end() || left != cut(*next, tokens)) return false;
    ++next;
  }
  return next == shorter.end();
}

}  // namespace

bool continues(const AttentionPlan& longer, const AttentionPlan& shorter) {
  // without causality the new tokens are seen by the earlier ones
  if (!longer.causal || !shorter.causal || longer.tokens < shorter.tokens) return false;
  if (longer.heads.size() != shorter.heads.size()) return false;
  std::set<std::pair<const HeadPlan*, const HeadPlan*>> same;
  for (size_t head = 0; head < longer.heads.size(); ++head) {
    const HeadPlan *a = longer.heads[head].get(), *b = shorter.heads[head].get();
    if (same.insert({a, b}).second && !continues(*a, *b, shorter.tokens)) return false;
  }
  return true;
}

}  // namespace scca
