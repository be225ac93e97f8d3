#pragma once
// A plan as a list of work for a device that runs thousands of blocks at once: every block finds in it what
// it owns and what it meets, and no block asks about a pair that it does not compute.
//
// An item is a block of positions that stay while others move past: queries that stay while keys move
// (forward, dQ), or keys that stay while queries move (dK, dV: the plan inverted). What moves is a list of
// ranges, cut by arithmetic to what the block sees, and counted through, so that short ranges share one block
// of rows.
#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "ops/attention_plan.h"

namespace scca {

/// The positions start, start + step, ... move past an item as its numbers begin .. end - 1. A query and a
/// key of a range meet where |query - key| < reach, and key <= query when the plan is causal.
struct WorkRange {
  int32_t start, step, begin, end, reach;
};

/// `count` positions start, start + step, ... that stay, and the ranges that move past them: `ranges` of them
/// from `first_range` on, `moving` positions in all.
struct WorkItem {
  int32_t start, step, count, first_range, ranges, moving;
};

/// One query head's share of the work: heads that share a tile list share its items.
struct WorkTask {
  int32_t item, head;
};

enum class Stay { queries, keys };

struct AttentionWork {
  std::vector<WorkItem> items;
  std::vector<WorkRange> ranges;
  std::vector<WorkTask> tasks;  // the heaviest first, so that the last ones to finish are short
};

/// Reaches and positions lie below this bound, so that their sums and differences are 32-bit integers.
inline constexpr int64_t kWorkBound = int64_t{1} << 30;

/// Items of at most `block` positions. With Stay::queries the items of a head hold each query from
/// first_query on once; with Stay::keys each key once, also those that no query sees (their gradient is zero,
/// and somebody has to say so). Throws Error for a plan of 2^30 tokens or more.
AttentionWork attention_work(const AttentionPlan& plan, int64_t first_query, Stay stay, int64_t block);

/// CUDA's three kernels, and the rows that a block of each keeps: warps x tiles x 16. A warp's second tile
/// reads each moving row for 32 rows at once; registers say where there is room for it.
enum class AttentionPass { forward, query_gradient, key_gradients };
inline constexpr int kAttentionWarps = 4;
constexpr int tiles_of_warp(AttentionPass pass, bool tensor_core, int64_t width) {
  if (!tensor_core) return 1;
  if (pass == AttentionPass::forward) return 2;
  return width <= (pass == AttentionPass::query_gradient ? 96 : 64) ? 2 : 1;
}
constexpr int staying_rows(AttentionPass pass, bool tensor_core, int64_t width) {
  return 16 * tiles_of_warp(pass, tensor_core, width) * kAttentionWarps;
}

/// The same on a device, where kernels read it.
struct DeviceWork {
  Tensor numbers;  // i32: items, ranges and tasks, one after the other
  int64_t items = 0, ranges = 0, tasks = 0;

  const WorkItem* item_data() const { return reinterpret_cast<const WorkItem*>(numbers.raw()); }
  const WorkRange* range_data() const { return reinterpret_cast<const WorkRange*>(item_data() + items); }
  const WorkTask* task_data() const { return reinterpret_cast<const WorkTask*>(range_data() + ranges); }
};

/// Made and sent at the first call for a plan, then remembered as long as the plan's tile lists live (and,
/// where this thread only plans memory, as long as it does): a
/// training step asks for the same few lists in every layer. (A decoding step has a plan of its own, of one
/// query.)
std::shared_ptr<const DeviceWork> work_on_device(const AttentionPlan& plan, int64_t first_query, Stay stay,
                                                 int64_t block, Device device);

}  // namespace scca
