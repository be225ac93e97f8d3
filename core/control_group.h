#pragma once
// What Linux's control groups leave to this process: each may have a limit of its own, and the tightest
// counts.
#include <cstdint>
#include <filesystem>

namespace scca {

/// Bytes that may still be taken before a memory limit of the process's own group or of any above it is
/// reached, for version 1 (memory.limit_in_bytes) and version 2 (memory.max); -1 when there is no limit.
/// Pages of files that have not been used of late count as free: the system drops them first. `proc` is a
/// process's folder.
int64_t memory_left_by_control_groups(const std::filesystem::path& proc = "/proc/self");

/// CPUs that the process may keep busy on the whole: the least share of its group and of any above it, for
/// version 1 (cpu.cfs_quota_us of each cpu.cfs_period_us) and version 2 (cpu.max), such as 1.5; -1 when there
/// is no limit. Which CPUs these are is another matter (a cpuset), which the scheduler's mask tells.
double cpus_left_by_control_groups(const std::filesystem::path& proc = "/proc/self");

}  // namespace scca
