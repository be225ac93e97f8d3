#pragma once
// What the compiler made of each kernel, read from the object files of a build.
#include <map>
#include <string>
#include <vector>

namespace scca::test {

/// What one architecture's code of a kernel needs and holds.
struct ArchFacts {
  int registers = 0, barriers = 0, stack_bytes = 0, spill_bytes = 0, static_shared = 0;  // ptxas, -v
  int tensor_core = 0;                                                                   // HMMA instructions
};

struct KernelFacts {
  std::string name;  // "ops/rms_norm.cu forward<float, float>"
  std::string symbol;
  int bound = 0;                   // __launch_bounds__' threads, 0 without
  bool uses_dynamic = false;       // names dyn_smem
  std::map<int, ArchFacts> archs;  // by compute capability: 80, 90, 100
};

/// The kernels of an object file of CUDA, compiled through keep_report.sh with -Xptxas=-v and --no-compress.
/// Throws Error naming the file that is missing, or that says nothing of a kernel that the other has.
std::vector<KernelFacts> read_kernels(const std::string& object);

/// As `symbol`'s kernel is called in a table: demangled, without namespaces and parameters.
std::string short_name(const std::string& symbol);
/// The same of a name that is demangled already.
std::string shortened(std::string name);

/// HMMA instructions by kernel as NVIDIA's own disassembler finds them, to hold the counts above against:
/// what `cuobjdump -sass` printed.
std::map<std::string, std::map<int, int>> tensor_core_of_sass(const std::string& sass);

}  // namespace scca::test
