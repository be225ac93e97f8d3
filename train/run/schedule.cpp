#include "train/run/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace scca {

double Schedule::at(int64_t step) const {
  if (step <= warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
  if (!cosine) return peak;
  const double after = static_cast<double>(std::min(step, steps) - warmup);
  const double length = static_cast<double>(std::max<int64_t>(steps - warmup, 1));
  const double share =
      final_share + (1 - final_share) * 0.5 * (1 + std::cos(std::numbers::pi * after / length));
  return peak * share;
}

}  // namespace scca
