#include "ops/attention_plan.h"

#include <cstdlib>
#include <unordered_set>

#include "core/check.h"

namespace scca {
namespace {

std::string to_string(const Slice& s) { return concat("[", s.start, ", ", s.step, ", ", s.count, "]"); }

bool contains(const Slice& slice, int64_t position) {
  const int64_t offset = position - slice.start;
  return offset >= 0 && offset % slice.step == 0 && offset / slice.step < slice.count;
}

/// Checks one head's tiles; `where` names the head and tile in the message.
class HeadValidator {
 public:
  HeadValidator(int64_t head, int64_t tokens)
      : head_(head), tokens_(tokens), tile_of_query_(tokens, -1), slice_of_key_(tokens, -1) {}

  void check(const HeadPlan& tiles) {
    for (tile_ = 0; tile_ < static_cast<int64_t>(tiles.size()); ++tile_) {
      check_queries(tiles[tile_].queries);
      std::unordered_set<int64_t> seen;
      for (const KeySlice& keys : tiles[tile_].keys) {
        const int64_t slice = check_keys(keys);
        SCCA_CHECK(seen.insert(slice).second, where(), "lists keys ", to_string(keys),
                   " twice; a key counts once");
      }
    }
    for (int64_t i = 0; i < tokens_; ++i) {
      SCCA_CHECK(tile_of_query_[i] >= 0, "attention plan: head ", head_, ": position ", i,
                 " is a query of no tile; every position belongs to exactly one (its keys may be none)");
    }
  }

 private:
  std::string where() const { return concat("attention plan: head ", head_, ", tile ", tile_, ": "); }

  void check_bounds(const Slice& slice, const char* what) const {
    SCCA_CHECK(slice.count >= 1, where(), what, " ", to_string(slice), " are empty; leave them out");
    SCCA_CHECK(slice.step >= 1, where(), what, " ", to_string(slice), " have a step below 1");
    SCCA_CHECK(slice.start >= 0 && slice.last() < tokens_, where(), what, " ", to_string(slice), " span ",
               slice.start, " .. ", slice.last(), ", outside the ", tokens_, " tokens");
  }

  void check_queries(const Slice& queries) {
    check_bounds(queries, "queries");
    for (int64_t i = 0; i < queries.count; ++i) {
      int64_t& tile = tile_of_query_[queries.at(i)];
      SCCA_CHECK(tile < 0, where(), "position ", queries.at(i), " is already a query of tile ", tile,
                 "; every position belongs to exactly one");
      tile = tile_;
    }
  }

  /// The number of this slice among the head's different ones.
  int64_t check_keys(const KeySlice& keys) {
    check_bounds(keys, "keys");
    SCCA_CHECK(keys.reach >= 1, where(), "reach is ", keys.reach,
               ", so no query sees these keys; it is 1 or more");
    const int64_t known = slice_of_key_[keys.start];
    if (known >= 0 && slices_[known] == keys) return known;
    for (int64_t i = 0; i < keys.count; ++i) {
      int64_t& slice = slice_of_key_[keys.at(i)];
      SCCA_CHECK(slice < 0, where(), "keys ", to_string(keys), " and ", to_string(slices_[slice]),
                 " share position ", keys.at(i), "; two key slices of a head are identical or disjoint");
      slice = static_cast<int64_t>(slices_.size());
    }
    slices_.push_back(keys);
    return static_cast<int64_t>(slices_.size()) - 1;
  }

  int64_t head_, tokens_, tile_ = 0;
  std::vector<int64_t> tile_of_query_, slice_of_key_;
  std::vector<Slice> slices_;
};

}  // namespace

void validate(const AttentionPlan& plan) {
  SCCA_CHECK(plan.tokens >= 1, "attention plan: ", plan.tokens, " tokens, expected at least 1");
  SCCA_CHECK(!plan.heads.empty(), "attention plan: no heads");
  std::unordered_set<const HeadPlan*> valid;
  for (size_t head = 0; head < plan.heads.size(); ++head) {
    SCCA_CHECK(plan.heads[head], "attention plan: head ", head, " has no tile list");
    if (!valid.insert(plan.heads[head].get()).second) continue;
    HeadValidator(static_cast<int64_t>(head), plan.tokens).check(*plan.heads[head]);
  }
}

int64_t visible_pairs(const HeadPlan& head, bool causal) {
  int64_t pairs = 0;
  for (const Tile& tile : head) {
    for (const KeySlice& keys : tile.keys) {
      for (int64_t i = 0; i < tile.queries.count; ++i) {
        const int64_t query = tile.queries.at(i);
        pairs += std::max<int64_t>(0, keys.end_for(query, causal) - keys.begin_for(query));
      }
    }
  }
  return pairs;
}

bool sees(const AttentionPlan& plan, int64_t head, int64_t query, int64_t key) {
  if (plan.causal && key > query) return false;
  for (const Tile& tile : *plan.heads[head]) {
    if (!contains(tile.queries, query)) continue;
    for (const KeySlice& keys : tile.keys) {
      if (contains(keys, key) && std::abs(query - key) < keys.reach) return true;
    }
  }
  return false;
}

PlanPtr full_plan(int64_t tokens, int64_t heads, bool causal) {
  const Slice all{0, 1, tokens};
  auto head = std::make_shared<HeadPlan>();
  head->push_back({all, {KeySlice{all, kUnlimited}}});
  auto plan = std::make_shared<AttentionPlan>();
  plan->tokens = tokens;
  plan->causal = causal;
  plan->heads.assign(heads, head);
  validate(*plan);
  return plan;
}

}  // namespace scca
