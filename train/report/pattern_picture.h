#pragma once
// A picture of an attention plan: who sees whom, for each distinct head and for all heads together, and how
// far that reaches over the layers.
#include <cstdint>
#include <span>
#include <string>

#include "ops/attention_plan.h"

namespace scca {

/// Queries go down, keys go across. Few tokens: one square per pair. Many: one pixel for many pairs, shaded
/// by the share of them that is seen. With layers >= 1 one more panel is coloured by the number of layers
/// after which the key's token can have influenced the query, up to `layers`; layer l uses plans[l], layers
/// beyond the last plan use the last one. Beyond kMaxExactReach tokens (nn/patterns/coverage.h) a note
/// stands in its place. Throws Error when the plan has no tokens or no heads, `plans` do not fit it, or the
/// file cannot be written.
void write_pattern_picture(const std::string& path, const AttentionPlan& plan, const std::string& title,
                           std::span<const PlanPtr> plans = {}, int64_t layers = 0);

}  // namespace scca
