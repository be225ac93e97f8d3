#include "train/cli/cpu_build.h"

#include <unistd.h>

#include <filesystem>

namespace scca {
namespace {

constexpr const char* kLevels[] = {"x86-64-v4-bf16", "x86-64-v4", "x86-64-v3"};  // the highest first

}  // namespace

bool cpu_runs(const std::string& level) {
#if defined(__x86_64__)
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (level == "x86-64-v3") return v3;
  if (level == "x86-64-v4") return v4;
  return level == "x86-64-v4-bf16" && v4 && __builtin_cpu_supports("avx512bf16");
#else
  (void)level;
  return false;
#endif
}

std::string build_for_cpu(const std::string& program, const std::function<bool(const std::string&)>& runs) {
  for (const char* level : kLevels) {
    const std::string build = program + "." + level;
    std::error_code not_there;
    const bool file = std::filesystem::is_regular_file(build, not_there);
    if (file && access(build.c_str(), X_OK) == 0 && runs(level)) return build;
  }
  return program;
}

}  // namespace scca
