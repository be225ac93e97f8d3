#pragma once
// Holds a pattern's fast form against its sentence, by plain loops over all pairs: for the tests of patterns,
// those of the tree and yours.
#include "nn/patterns/pattern.h"

namespace scca {

/// Throws Error at the first head, query and key of which plan() says another thing than visible() and
/// causality (where it is asked for), or where the plan breaks an invariant of AttentionPlan.
void check_plan(const Pattern& pattern, Extent extent, bool causal = true);

/// That for every example of a registered pattern, at odd lengths and head counts.
void check_pattern(const PatternEntry& entry);

}  // namespace scca
