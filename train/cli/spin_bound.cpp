#include "train/cli/spin_bound.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>

namespace scca {
namespace {

constexpr const char* kVariable = "GOMP_SPINCOUNT";
constexpr std::chrono::microseconds kLongest(40);
constexpr int64_t kDefaultTurns = 300000;  // libgomp's own

}  // namespace

int64_t turns_in(std::chrono::nanoseconds time) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t some = 200;
  const std::atomic<int> never = 0;
  std::chrono::nanoseconds least = std::chrono::seconds(1);
  for (int run = 0; run < 5; ++run) {  // the fastest: whatever else runs only adds
    const auto begin = Clock::now();
    for (int64_t turn = 0; turn < some && never.load(std::memory_order_acquire) == 0; ++turn) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();  // 10 cycles or 140, by the CPU
#endif
    }
    least = std::min<std::chrono::nanoseconds>(least, Clock::now() - begin);
  }
  return std::clamp<int64_t>(some * time.count() / std::max<int64_t>(least.count(), 1), 1, kDefaultTurns);
}

bool bound_spinning() {
#if defined(__linux__) && !defined(__clang__)
  if (std::getenv(kVariable) || std::getenv("OMP_WAIT_POLICY")) return false;  // the second time, too
  return setenv(kVariable, std::to_string(turns_in(kLongest)).c_str(), 0) == 0;
#else
  (void)kVariable;
  (void)kLongest;
  return false;
#endif
}

}  // namespace scca
