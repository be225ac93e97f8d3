#pragma once
// How far information flows under attention plans: what one layer sees, and after how many layers every past
// token can influence every query. Exact, by bit sets.
#include <cstdint>
#include <optional>
#include <span>

#include "ops/attention_plan.h"

namespace scca {

/// layers_to_full keeps two tokens x tokens bit matrices and joins their rows: up to here it takes seconds at
/// most.
inline constexpr int64_t max_exact_reach = 4096;

/// The share of all pairs (those with key <= query when causal) that at least one head sees.
double one_layer_share(const AttentionPlan& plan);

/// The smallest number of layers after which every token (up to the query itself when causal) can have
/// influenced every query; nullopt when there is none. A token always reaches its own position, by the
/// residual connection. Layer l uses plans[l]; layers beyond the last plan use the last one. All plans have
/// the same tokens and causality. Throws Error beyond max_exact_reach tokens.
std::optional<int64_t> layers_to_full(std::span<const PlanPtr> plans);

/// (head, query) pairs that see no key at all: their output is zero.
int64_t empty_rows(const AttentionPlan& plan);

}  // namespace scca
