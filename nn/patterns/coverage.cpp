#include "nn/patterns/coverage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <set>
#include <vector>

#include "core/check.h"

namespace scca {
namespace {

using Bits = std::vector<uint64_t>;  // bit i % 64 of word i / 64 is position i

constexpr int64_t kWordBits = 64;
size_t words_for(int64_t bits) { return static_cast<size_t>((bits + kWordBits - 1) / kWordBits); }

/// Sets bits begin .. end-1.
void set_range(Bits& bits, int64_t begin, int64_t end) {
  if (begin >= end) return;
  const auto first = static_cast<size_t>(begin / kWordBits),
             last = static_cast<size_t>((end - 1) / kWordBits);
  const uint64_t head = ~uint64_t{0} << (begin % kWordBits);
  const uint64_t tail = ~uint64_t{0} >> (kWordBits - 1 - (end - 1) % kWordBits);
  if (first == last) {
    bits[first] |= head & tail;
    return;
  }
  bits[first] |= head;
  std::fill(bits.begin() + first + 1, bits.begin() + last, ~uint64_t{0});
  bits[last] |= tail;
}

/// One row after the other of the matrix "query sees key in some head".
class UnionRows {
 public:
  explicit UnionRows(const AttentionPlan& plan) : plan_(plan) {
    for (const auto& head : plan.heads) {
      if (!distinct_.insert(head.get()).second) continue;
      std::vector<const Tile*>& tiles = tile_of_.emplace_back(static_cast<size_t>(plan.tokens));
      for (const Tile& tile : *head)
        for (int64_t i = 0; i < tile.queries.count; ++i) tiles[tile.queries.at(i)] = &tile;
    }
  }

  void add_row(int64_t query, Bits& row) {
    for (const auto& tiles : tile_of_)
      for (const KeySlice& slice : tiles[query]->keys) {
        const int64_t begin = slice.begin_for(query), end = slice.end_for(query, plan_.causal);
        if (begin >= end) continue;
        if (slice.step == 1)
          set_range(row, slice.at(begin), slice.at(end));
        else
          add_strided(slice, begin, end, row);
      }
  }

 private:
  // Whole words at a time from the slice's own bit set, where a word holds several of its positions.
  void add_strided(const KeySlice& slice, int64_t begin, int64_t end, Bits& row) {
    const int64_t first = slice.at(begin), last = slice.at(end - 1);
    if (slice.step >= kWordBits || last - first < 2 * kWordBits) {
      for (int64_t i = begin; i < end; ++i)
        row[slice.at(i) / kWordBits] |= uint64_t{1} << (slice.at(i) % kWordBits);
      return;
    }
    const Bits& mask = mask_of(slice);
    const auto first_word = static_cast<size_t>(first / kWordBits),
               last_word = static_cast<size_t>(last / kWordBits);
    row[first_word] |= mask[first_word] & (~uint64_t{0} << (first % kWordBits));
    for (size_t w = first_word + 1; w < last_word; ++w) row[w] |= mask[w];
    row[last_word] |= mask[last_word] & (~uint64_t{0} >> (kWordBits - 1 - last % kWordBits));
  }

  const Bits& mask_of(const KeySlice& slice) {
    Bits& mask = masks_[{slice.start, slice.step, slice.count}];
    if (mask.empty()) {
      mask.resize(words_for(plan_.tokens));
      for (int64_t i = 0; i < slice.count; ++i)
        mask[slice.at(i) / kWordBits] |= uint64_t{1} << (slice.at(i) % kWordBits);
    }
    return mask;
  }

  const AttentionPlan& plan_;
  std::set<const HeadPlan*> distinct_;
  std::vector<std::vector<const Tile*>> tile_of_;  // per distinct head, per query
  std::map<std::array<int64_t, 3>, Bits> masks_;
};

int64_t row_length(const AttentionPlan& plan, int64_t query) { return plan.causal ? query + 1 : plan.tokens; }

int64_t count(const Bits& bits) {
  int64_t result = 0;
  for (const uint64_t word : bits) result += std::popcount(word);
  return result;
}

using Matrix = std::vector<Bits>;  // one row per query, as long as the query's row may become

/// Before the first layer: each token has reached its own position.
Matrix no_layer(const AttentionPlan& plan) {
  Matrix result;
  for (int64_t query = 0; query < plan.tokens; ++query) {
    result.emplace_back(words_for(row_length(plan, query)));
    set_range(result.back(), query, query + 1);
  }
  return result;
}

Matrix one_layer(const AttentionPlan& plan) {
  UnionRows rows(plan);
  Matrix result = no_layer(plan);
  for (int64_t query = 0; query < plan.tokens; ++query) rows.add_row(query, result[query]);
  return result;
}

/// One more layer on top: what a query's keys had reached, it reaches now. Returns whether
/// anything was added.
bool compose(const AttentionPlan& plan, const Matrix& layer, Matrix& reached) {
  Matrix next = reached;
  bool changed = false;
  for (int64_t query = 0; query < plan.tokens; ++query) {
    Bits& row = next[query];
    if (count(row) == row_length(plan, query)) continue;
    for (size_t w = 0; w < layer[query].size(); ++w)
      for (uint64_t word = layer[query][w]; word != 0; word &= word - 1) {
        const Bits& other = reached[w * kWordBits + std::countr_zero(word)];
        for (size_t k = 0; k < other.size(); ++k) row[k] |= other[k];
      }
    changed = changed || row != reached[query];
  }
  reached.swap(next);
  return changed;
}

}  // namespace

double one_layer_share(const AttentionPlan& plan) {
  UnionRows rows(plan);
  Bits row(words_for(plan.tokens));
  int64_t seen = 0, all = 0;
  for (int64_t query = 0; query < plan.tokens; ++query) {
    std::fill(row.begin(), row.end(), 0);
    rows.add_row(query, row);
    seen += count(row);
    all += row_length(plan, query);
  }
  return static_cast<double>(seen) / static_cast<double>(all);
}

Reach::Reach(std::span<const PlanPtr> plans) : plans_(plans.begin(), plans.end()) {
  SCCA_CHECK(!plans.empty(), "reach: no plans, expected at least one");
  const AttentionPlan& first = *plans.front();
  SCCA_CHECK(first.tokens <= kMaxExactReach, "reach: ", first.tokens, " tokens, expected at most ",
             kMaxExactReach);
  for (const PlanPtr& plan : plans)
    SCCA_CHECK(plan->tokens == first.tokens && plan->causal == first.causal, "reach: a plan of ",
               plan->tokens, " tokens beside one of ", first.tokens,
               " or a causal one beside one that is not");
  rows_ = no_layer(first);
}

bool Reach::add_layer() {
  const PlanPtr& plan = plans_[std::min(static_cast<size_t>(layers_++), plans_.size() - 1)];
  if (plan != latest_) layer_ = one_layer(*plan);
  latest_ = plan;
  return compose(*plan, layer_, rows_);
}

int64_t Reach::reached(int64_t query, int64_t begin, int64_t end) const {
  const Bits& row = rows_[query];
  int64_t result = 0;
  for (int64_t at = begin; at < end;) {
    const int64_t next = std::min(end, (at / kWordBits + 1) * kWordBits);
    const auto word = static_cast<size_t>(at / kWordBits);
    if (word >= row.size()) break;  // the row ends at the query: the rest is its future
    result += std::popcount(row[word] >> (at % kWordBits) << (kWordBits - (next - at)));
    at = next;
  }
  return result;
}

double Reach::share() const {
  int64_t have = 0, all = 0;
  for (int64_t query = 0; query < plans_.front()->tokens; ++query) {
    have += count(rows_[query]);
    all += row_length(*plans_.front(), query);
  }
  return static_cast<double>(have) / static_cast<double>(all);
}

bool Reach::is_full() const {
  for (int64_t query = plans_.front()->tokens - 1; query >= 0; --query)  // late queries fill last
    if (count(rows_[query]) != row_length(*plans_.front(), query)) return false;
  return true;
}

std::vector<double> reach_by_layer(std::span<const PlanPtr> plans, int64_t layers) {
  SCCA_CHECK(layers >= 1, "reach: ", layers, " layers, expected at least 1");
  Reach reach(plans);
  std::vector<double> shares;
  bool grows = true;
  while (static_cast<int64_t>(shares.size()) < layers) {
    // Once a layer of the last plan adds nothing, no later one does.
    if (grows || reach.layers() < static_cast<int64_t>(plans.size())) grows = reach.add_layer();
    shares.push_back(reach.share());
  }
  return shares;
}

std::optional<int64_t> layers_to_full(std::span<const PlanPtr> plans) {
  Reach reach(plans);
  for (;;) {
    const bool grew = reach.add_layer();
    if (reach.is_full()) return reach.layers();
    if (!grew && reach.layers() >= static_cast<int64_t>(plans.size()))
      return std::nullopt;  // and so it stays: no later layer differs
  }
}

int64_t empty_rows(const AttentionPlan& plan) {
  int64_t result = 0;
  std::map<const HeadPlan*, int64_t> known;
  for (const auto& head : plan.heads) {
    const auto [entry, is_new] = known.try_emplace(head.get(), 0);
    if (is_new)
      for (const Tile& tile : *head)
        for (int64_t i = 0; i < tile.queries.count; ++i) {
          const int64_t query = tile.queries.at(i);
          entry->second += std::none_of(tile.keys.begin(), tile.keys.end(), [&](const KeySlice& slice) {
            return slice.begin_for(query) < slice.end_for(query, plan.causal);
          });
        }
    result += entry->second;
  }
  return result;
}

}  // namespace scca
