#pragma once
// The keys that a block of queries meets, block by block, as the forward and the backward attention kernel on
// the CPU read them.
//
// Scores are kept transposed, S^T [key][query]: a register holds one key's scores for neighbouring queries,
// so that the softmax (a maximum, an exponential, a sum for each query) never crosses lanes. Queries come in
// groups of `lanes` = two registers.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "ops/attention.h"
#include "ops/attention_plan.h"
#include "ops/attention_product.h"

namespace scca::cpu {

inline constexpr int64_t kMaxQueries = 384;  // in a block: the more, the less often keys are gathered
inline constexpr int64_t kMaxKeys = 96;
static_assert(kMaxQueries % kLanes == 0);

inline constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();
inline constexpr double kLog2E = 1.4426950408889634;

/// Up to kMaxQueries queries of one tile, and what they see.
struct QueryBlock {
  const std::vector<KeySlice>* keys;
  Slice queries;
};

/// The queries of a head at or after `first`, in the order of its tiles.
inline std::vector<QueryBlock> query_blocks(const HeadPlan& tiles, int64_t first) {
  std::vector<QueryBlock> blocks;
  for (const Tile& tile : tiles) {
    const Slice& all = tile.queries;
    for (int64_t i = all.count_below(first); i < all.count; i += kMaxQueries)
      blocks.push_back({&tile.keys, {all.at(i), all.step, std::min(kMaxQueries, all.count - i)}});
  }
  return blocks;
}

/// The keys of a slice that any query of a block sees: at(begin) .. at(end - 1), begin <= end.
struct KeyRange {
  int64_t begin, end;
};
inline KeyRange seen_of(const KeySlice& keys, const Slice& queries, bool causal) {
  return {keys.begin_for(queries.start), keys.end_for(queries.last(), causal)};
}

/// Keys met by a block of queries, gathered from the slices of a tile.
struct KeyBlock {
  int64_t count = 0;
  bool whole = true;  // every query of the block sees every key
  int64_t position[kMaxKeys];
  int32_t first[kMaxKeys], last[kMaxKeys];  // queries first .. last - 1 of the block see the key

  /// The run of keys that holds every key seen by the queries begin .. end - 1.
  std::pair<int64_t, int64_t> seen_by(int64_t begin, int64_t end) const {
    if (whole) return {0, count};
    int64_t low = 0, high = count;
    while (low < high && (first[low] >= end || last[low] <= begin)) ++low;
    while (low < high && (first[high - 1] >= end || last[high - 1] <= begin)) --high;
    return {low, high};
  }
};

/// Walks the keys that a block of queries sees, block by block. Keys that no query of the block sees are
/// skipped by arithmetic.
class KeyWalk {
 public:
  KeyWalk(const QueryBlock& block, bool causal)
      : slices_(*block.keys), queries_(block.queries), causal_(causal) {}

  bool next(KeyBlock& block) {
    block.count = 0;
    block.whole = true;
    visit(slice_, index_, [&](int64_t key, int64_t reach) { add(block, key, reach); });
    return block.count > 0;
  }

  /// Visits the keys of the block that comes next: visit(position).
  template <class Visit>
  void peek(const Visit& visit_key) const {
    size_t slice = slice_;
    int64_t index = index_;
    visit(slice, index, [&](int64_t key, int64_t) { visit_key(key); });
  }

 private:
  /// Up to kMaxKeys keys, from that index of that slice on; both move past them.
  template <class Visit>
  void visit(size_t& slice, int64_t& index, const Visit& visit_key) const {
    for (int64_t left = kMaxKeys; left > 0 && slice < slices_.size();) {
      const KeySlice& keys = slices_[slice];
      const KeyRange seen = seen_of(keys, queries_, causal_);
      const int64_t begin = std::max(index, seen.begin);
      const int64_t end = std::min(seen.end, begin + left);
      for (int64_t i = begin; i < end; ++i) visit_key(keys.at(i), keys.reach);
      left -= end - begin;
      index = end;
      if (index >= seen.end) {
        ++slice;
        index = 0;
      }
    }
  }

  void add(KeyBlock& block, int64_t key, int64_t reach) const {
    int64_t first = causal_ ? queries_.count_below(key) : 0, last = queries_.count;
    if (reach != kUnlimited) {
      if (!causal_) first = queries_.count_below(key - reach + 1);
      last = queries_.count_below(key + reach);
    }
    block.position[block.count] = key;
    block.first[block.count] = static_cast<int32_t>(first);
    block.last[block.count] = static_cast<int32_t>(last);
    block.whole &= first == 0 && last == queries_.count;
    ++block.count;
  }

  const std::vector<KeySlice>& slices_;
  const Slice queries_;
  const bool causal_;
  size_t slice_ = 0;
  int64_t index_ = 0;
};

/// Sets to -inf the scores of keys begin .. end - 1 that the group of queries from `query` on does not see.
inline void mask(const KeyBlock& block, int64_t begin, int64_t end, int64_t query, float* scores,
                 int64_t row) {
  simd::ints lane;
  for (int i = 0; i < simd::kWidth; ++i) lane[i] = static_cast<int32_t>(query) + i;
  for (int64_t key = begin; key < end; ++key) {
    const int32_t first = block.first[key], last = block.last[key];
    if (first <= query && last >= query + kLanes) continue;
    for (int half = 0; half < 2; ++half) {
      float* at = scores + key * row + half * simd::kWidth;
      const simd::ints number = lane + half * simd::kWidth;
      simd::store(at, simd::select((number >= first) & (number < last), simd::load(at),
                                   simd::broadcast(kNegativeInfinity)));
    }
  }
}

/// The factors of a block's keys and values, rows of one key head, densely; null where they are not needed.
template <class F>
struct KeyFactors {
  F *k = nullptr, *k_across = nullptr;  // [key][width / kTerms], [key / kTerms][width]
  F *v = nullptr, *v_across = nullptr;
};
template <class T, class F>
void load_keys(const AttentionShape& shape, int64_t batch, int64_t key_head, const KeyBlock& block,
               const T* k, const T* v, const KeyFactors<F>& to) {
  const int64_t width = shape.width, length = width / kTerms<F>;
  const auto row = [&](int64_t key) { return shape.key_row(batch, block.position[key], key_head); };
  const auto across = [&](const T* rows, int64_t key, F* factors) {
    const T* second = key + 1 < block.count ? rows + row(key + 1) : nullptr;
    load_across(rows + row(key), second, width, factors + key / kTerms<F> * width);
  };
  for (int64_t key = 0; key < block.count; ++key) {
    if (to.k) load_row(k + row(key), width, to.k + key * length);
    if (to.v) load_row(v + row(key), width, to.v + key * length);
    if (key % kTerms<F> != 0) continue;
    if (to.k_across) across(k, key, to.k_across);
    if (to.v_across) across(v, key, to.v_across);
  }
}

/// Asks for the keys and values that a walk comes to next; false: to none.
template <class T>
bool ask_for_keys(const AttentionShape& shape, int64_t batch, int64_t key_head, const KeyWalk& walk,
                  const T* k, const T* v, RowsAhead& ahead) {
  bool any = false;
  walk.peek([&](int64_t position) {
    any = true;
    const int64_t row = shape.key_row(batch, position, key_head);
    ahead.add(k + row, shape.width);
    ahead.add(v + row, shape.width);
  });
  return any;
}

/// Asks for rows of queries.
template <class T>
void ask_for_queries(const AttentionShape& shape, int64_t batch, int64_t head, const Slice& queries,
                     const T* rows, RowsAhead& ahead) {
  for (int64_t i = 0; i < queries.count; ++i)
    ahead.add(rows + shape.query_row(batch, queries.at(i), head), shape.width);
}

}  // namespace scca::cpu
