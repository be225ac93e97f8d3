#pragma once
// How far information flows under attention plans: what one layer sees, what 1, 2, ... layers reach, and
// after how many layers every past token can influence every query. Exact, by bit sets.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ops/attention_plan.h"

namespace scca {

/// Reach keeps three tokens x tokens bit matrices and joins their rows: up to here it takes seconds at most.
inline constexpr int64_t kMaxExactReach = 4096;

/// The share of all pairs (those with key <= query when causal) that at least one head sees.
double one_layer_share(const AttentionPlan& plan);

/// Which tokens can have influenced which queries after so many layers. Before the first layer each token has
/// reached its own position; the residual connection keeps what was reached. Layer l uses plans[l]; layers
/// beyond the last plan use the last one.
class Reach {
 public:
  /// No layer yet. Throws Error when there is no plan, when they differ in tokens or causality, or beyond
  /// kMaxExactReach tokens.
  explicit Reach(std::span<const PlanPtr> plans);

  /// Puts one more layer on top. Returns whether anything new was reached.
  bool add_layer();

  int64_t layers() const { return layers_; }
  /// How many of the keys begin .. end-1 have reached this query; begin < end <= tokens.
  int64_t reached(int64_t query, int64_t begin, int64_t end) const;
  /// The share of all pairs (those with key <= query when causal) that are reached, in [0, 1].
  double share() const;
  bool is_full() const;

 private:
  using Matrix = std::vector<std::vector<uint64_t>>;  // one row of bits a query

  std::vector<PlanPtr> plans_;
  PlanPtr latest_;       // whose matrix layer_ is
  Matrix layer_, rows_;  // what one layer sees; what all so far reach
  int64_t layers_ = 0;
};

/// Element l: the share of the causal pairs (query, key <= query; of all pairs when the plans are not causal)
/// whose key can have influenced the query after l + 1 layers. `layers` elements. Throws Error as Reach does.
std::vector<double> reach_by_layer(std::span<const PlanPtr> plans, int64_t layers);

/// The smallest number of layers after which every token (up to the query itself when causal) can have
/// influenced every query; nullopt when there is none. Layers and errors as in Reach.
std::optional<int64_t> layers_to_full(std::span<const PlanPtr> plans);

/// (head, query) pairs that see no key at all: their output is zero.
int64_t empty_rows(const AttentionPlan& plan);

}  // namespace scca
