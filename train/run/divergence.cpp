#include "train/run/divergence.h"

#include <algorithm>

namespace scca {

namespace {
constexpr double kRise = 10;
constexpr std::ptrdiff_t kWindow = 100;  // steps
}  // namespace

void NormHistory::add(int64_t step, double norm) { norms_.emplace_back(step, norm); }

bool NormHistory::good_after(int64_t step) const {
  const auto after = std::ranges::lower_bound(norms_, step + 1, {}, &std::pair<int64_t, double>::first);
  if (after == norms_.end() || after->first != step + 1) return false;
  std::vector<double> before;
  for (auto entry = after - std::min(kWindow, after - norms_.begin()); entry != after; ++entry)
    before.push_back(entry->second);
  if (before.empty()) return true;
  const auto middle = before.begin() + static_cast<std::ptrdiff_t>(before.size() / 2);
  std::ranges::nth_element(before, middle);
  return after->second <= kRise * *middle;
}

std::optional<int64_t> NormHistory::newest_good(const std::vector<int64_t>& checkpoints) const {
  for (auto step = checkpoints.rbegin(); step != checkpoints.rend(); ++step)
    if (good_after(*step)) return *step;
  return std::nullopt;
}

}  // namespace scca
