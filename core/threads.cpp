#include "core/threads.h"

#include <omp.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "core/control_group.h"
#include "core/numbers.h"

namespace scca {

int64_t usable_cpus(int64_t allowed, double share) {
  // Part of a CPU is no thread's: threads that are stopped for a share of the time make those that wait for
  // them wait longer.
  const int64_t whole = share < 0 ? allowed : static_cast<int64_t>(std::min<double>(share, INT_MAX));
  return std::max<int64_t>(std::min(allowed, whole), 1);
}

int64_t usable_cpus() {
  // OpenMP counted the mask's CPUs before it bound this thread to some of them, where OMP_PROC_BIND asks for
  // it.
  return usable_cpus(omp_get_num_procs(), cpus_left_by_control_groups());
}

int64_t threads_for(int64_t asked, const char* variable, int64_t usable) {
  if (asked > 0) return asked;
  std::string_view first = variable ? variable : "";  // of "4,2", a number a level
  first = first.substr(0, first.find(','));
  const size_t begin = std::min(first.find_first_not_of(" \t"), first.size());
  first = first.substr(begin, first.find_last_not_of(" \t") + 1 - begin);
  const auto said = static_cast<int64_t>(parse_whole(first, INT_MAX).value_or(0));
  return said > 0 ? said : usable;
}

void use_threads(int64_t asked) {
  omp_set_num_threads(static_cast<int>(threads_for(asked, std::getenv("OMP_NUM_THREADS"), usable_cpus())));
}

}  // namespace scca
