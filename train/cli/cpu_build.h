#pragma once
// One folder, several CPUs: the program as built for each, of which the best that this CPU runs is started.
#include <functional>
#include <string>

namespace scca {

/// What a build is made for: "x86-64-v3", "x86-64-v4", and "x86-64-v4-bf16", which is x86-64-v4 with
/// AVX512-BF16. (An ABI's levels: https://gitlab.com/x86-psABIs/x86-64-ABI; the last one is ours.)
bool cpu_runs(const std::string& level);

/// Of the files program.LEVEL beside `program` the one of the highest level that the CPU runs; `program`
/// itself where there is none. What is not an executable file is no build.
std::string build_for_cpu(const std::string& program,
                          const std::function<bool(const std::string& level)>& runs = cpu_runs);

}  // namespace scca
