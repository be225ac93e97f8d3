#pragma once
// How many threads compute: decided once, before the first of them starts.
#include <cstdint>
#include <string>

namespace scca {

/// CPUs that a process may keep busy, which may run on `allowed` ones and has this share (-1: all its own) by
/// its control groups (core/control_group.h): whole ones, 1 at least.
int64_t usable_cpus(int64_t allowed, double share);
/// This process's, by the scheduler's mask and its groups.
int64_t usable_cpus();

/// What is `asked` for, where that is above 0; else what OMP_NUM_THREADS says (`variable`, null where it is
/// not set), where OpenMP takes it; else the usable CPUs.
int64_t threads_for(int64_t asked, const char* variable, int64_t usable);

/// Gives loops that many threads (core/parallel.h) from here on, those of libraries too. To be called by the
/// program's first thread before any loop.
void use_threads(int64_t asked);

}  // namespace scca
