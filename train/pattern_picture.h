#pragma once
// A picture of an attention plan: who sees whom, for each distinct head and for all heads together.
#include <string>

#include "ops/attention_plan.h"

namespace scca {

/// Queries go down, keys go across. Few tokens: one square per pair. Many: one pixel for many pairs, shaded
/// by the share of them that is seen. Throws Error when the plan has no tokens or no heads, or the file
/// cannot be written.
void write_pattern_picture(const std::string& path, const AttentionPlan& plan, const std::string& title);

}  // namespace scca
