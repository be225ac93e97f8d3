#pragma once
// How much of the attention square a plan's heads see, counted for a grid of cells by arithmetic on the
// slices: never tokens x tokens memory, and time only for what is seen.
#include <cstdint>
#include <string>
#include <vector>

#include "ops/attention_plan.h"

namespace scca {

struct HeadGroup {
  std::vector<int> heads;
  const HeadPlan* plan;
};

/// The distinct heads of a plan in order of first appearance, each with the heads that are like it.
std::vector<HeadGroup> group_heads(const AttentionPlan& plan);
/// "head 3", "heads 0-3, 6", "heads 0, 2, 4 ... 30", "all 8 heads".
std::string head_names(const std::vector<int>& heads, size_t of);

/// A cell (row, column) holds queries [bound(row), bound(row + 1)) and keys [bound(column), bound(column +
/// 1)).
struct PatternGrid {
  int64_t tokens = 0;
  int cells = 0;
  std::vector<int64_t> visible;  // [cells, cells]: pairs that are seen
  std::vector<int64_t> allowed;  // [cells, cells]: pairs that the causal flag lets be seen

  int64_t bound(int cell) const { return cell * tokens / cells; }
  int cell_of(int64_t position) const { return static_cast<int>(((position + 1) * cells - 1) / tokens); }
  int64_t visible_pairs() const;
  int64_t allowed_pairs() const;
};

/// The pairs seen by at least one of these heads of `plan`; 1 <= cells <= tokens.
PatternGrid pattern_grid(const AttentionPlan& plan, const std::vector<const HeadPlan*>& heads, int cells);

}  // namespace scca
