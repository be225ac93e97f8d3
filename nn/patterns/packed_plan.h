#pragma once
// Plans of rows in which several documents stand: no token sees another document's.
#include <cstdint>
#include <span>
#include <vector>

#include "ops/attention_plan.h"

namespace scca {

/// Where documents begin among the positions 0 .. rows x tokens - 1 of all rows of a batch, one row behind
/// the other; ascending. A row's first position begins one, listed or not: what a row cuts off is a document
/// by itself.
using DocumentStarts = std::vector<int64_t>;

/// `plan`, which is one row's, for `rows` rows as one sequence of rows x plan->tokens tokens: query i sees
/// key j when both stand in the same row and document and i sees j there in `plan`, at their places in the
/// row. So any pattern can be packed, the same kernels compute it, and time follows the pairs that are left.
/// `plan` itself where nothing is cut. Throws Error for starts that do not ascend or lie outside.
PlanPtr packed_plan(const PlanPtr& plan, int64_t rows, std::span<const int64_t> starts);

}  // namespace scca
