#pragma once
// The learning rate over the steps.
#include <cstdint>

namespace scca {

/// Linear warm-up over the first `warmup` steps, then constant, or along half a cosine (Loshchilov and
/// Hutter, arXiv 1608.03983) down to `final_share` of the peak at the last step.
struct Schedule {
  double peak = 2e-4;
  int64_t warmup = 20, steps = 1000;
  bool cosine = false;
  double final_share = 0.1;

  /// The rate of step 1, 2, ..., steps. After the last step it stays as it is there.
  double at(int64_t step) const;
};

}  // namespace scca
