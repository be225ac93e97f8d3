#pragma once
// The attention plan: which queries see which keys, as plain data. A pattern (nn/patterns) makes one; the
// kernels, the cost model, the pictures and the reachability study read it and nothing else.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace scca {

inline constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

/// The positions start, start + step, ..., count of them. A residue class is a slice: strided, but dense.
struct Slice {
  int64_t start = 0, step = 1, count = 0;

  int64_t at(int64_t i) const { return start + i * step; }
  int64_t last() const { return at(count - 1); }
  /// How many of the slice's positions are < bound: where a causal or a sliding boundary falls, by
  /// arithmetic.
  int64_t count_below(int64_t bound) const {
    if (bound <= start) return 0;
    return std::min(count, (bound - start + step - 1) / step);
  }
  bool operator==(const Slice&) const = default;
};

/// Keys of which a query sees those with |query - key| < reach. A sliding window needs a reach; nothing else
/// does.
struct KeySlice : Slice {
  int64_t reach = kUnlimited;

  /// The keys that a query sees are at(begin) .. at(end - 1). Both ends grow with the query, so that a block
  /// of queries sees from its first query's begin to its last query's end.
  int64_t begin_for(int64_t query) const { return reach == kUnlimited ? 0 : count_below(query - reach + 1); }
  int64_t end_for(int64_t query, bool causal) const {
    if (causal) return count_below(query + 1);
    return reach == kUnlimited ? count : count_below(query + reach);
  }
  bool operator==(const KeySlice&) const = default;
};

/// These queries see the union of these keys.
struct Tile {
  Slice queries;
  std::vector<KeySlice> keys;
  bool operator==(const Tile&) const = default;
};

using HeadPlan = std::vector<Tile>;

/// Invariants, checked by validate(): in each head every position 0 .. tokens-1 is a query of exactly one
/// tile; key slices lie inside [0, tokens); two key slices of one head are identical or disjoint, so that the
/// inverse plan (which tiles read this slice) is a dictionary, and a tile lists a slice once. No slice is
/// empty. A tile without keys is legal: zero output and zero gradient. Causality is the plan's flag, not the
/// pattern's business: with `causal` a query sees no key after itself.
struct AttentionPlan {
  int64_t tokens = 0;
  bool causal = true;
  /// One per query head; heads that look alike share one list.
  std::vector<std::shared_ptr<const HeadPlan>> heads;
};

using PlanPtr = std::shared_ptr<const AttentionPlan>;

/// Throws Error naming the head, tile and value that break an invariant above.
void validate(const AttentionPlan& plan);

/// Pairs (query, key) that one head computes; the cost of every kernel follows this number.
int64_t visible_pairs(const HeadPlan& head, bool causal);

/// Whether query sees key in this head: the slow question, for tests and pictures.
bool sees(const AttentionPlan& plan, int64_t head, int64_t query, int64_t key);

/// Every head sees everything (before itself when causal).
PlanPtr full_plan(int64_t tokens, int64_t heads, bool causal = true);

}  // namespace scca
