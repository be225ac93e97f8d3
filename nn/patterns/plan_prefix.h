#pragma once
// Plans of a text that grows.
#include "ops/attention_plan.h"

namespace scca {

/// Whether every query of `shorter` sees the same keys in `longer`: only then are keys and values of the
/// shorter sequence, kept from one pass, what a pass over the longer one would compute. Compares slices cut
/// off at the shorter's end, in their order, so that equal plans that are written in other slices count as
/// different.
bool continues(const AttentionPlan& longer, const AttentionPlan& shorter);

}  // namespace scca
