#pragma once
// When a run goes wrong, which checkpoint is from before? A loss that is no number comes steps after the
// update that spoilt the weights, and the newest checkpoint is of spoilt weights too; the norm of the
// gradient rises first.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace scca {

class NormHistory {
 public:
  /// The gradient's norm at `step`, which the weights after `step` - 1 steps gave. Steps rise; some may be
  /// missing.
  void add(int64_t step, double norm);

  /// The newest of these checkpoints (rising steps) whose weights are known to be good: the norm that they
  /// gave, at the step after, is at most ten times the median of the norms of the hundred steps before. Of
  /// the last step's weights nothing is known yet.
  std::optional<int64_t> newest_good(const std::vector<int64_t>& checkpoints) const;

 private:
  bool good_after(int64_t step) const;

  std::vector<std::pair<int64_t, double>> norms_;
};

}  // namespace scca
