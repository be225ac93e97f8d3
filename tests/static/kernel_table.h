#pragma once
// The committed table of kernels (kernels.md): what it says, and what a build must not fall short of.
#include <map>
#include <string>
#include <vector>

#include "tests/static/kernel_facts.h"

namespace scca::test {

/// One row. `threads` and `dynamic_shared` are what the kernel's launch passes, written by hand (-1: "?", not
/// yet written); the rest is the compiler's.
struct KernelRow {
  std::string name;
  int threads = -1, dynamic_shared = -1;
  std::map<int, int> blocks, tensor_core;  // by architecture
};

/// The rows of a table in Markdown, by name. Throws Error with a line that cannot be read.
std::map<std::string, KernelRow> parse_table(const std::string& markdown);

/// Threads and dynamic shared memory of each row whose kernel is in the emulator's list of launches (its
/// CUEMU_LIST_LAUNCHES), the most of several: into the table's rows, or a new one's.
void take_launches(const std::string& list, std::map<std::string, KernelRow>& rows,
                   const std::vector<KernelFacts>& kernels);

/// The table of a build. Threads and dynamic shared memory are taken from `known`; where that has no row,
/// threads from the kernel's launch bound, and no dynamic shared memory for a kernel that does not name
/// dyn_smem. What stands before the table in `markdown` stays.
std::string format_table(const std::string& markdown, const std::vector<KernelFacts>& kernels,
                         const std::map<std::string, KernelRow>& known);

/// What is wrong with a build, one line each: a spill, a kernel without a row, a row without a kernel, a
/// launch that cannot be, fewer blocks on a multiprocessor than the table says, tensor cores no longer used.
/// A register more or less is no fault.
std::vector<std::string> faults(const std::vector<KernelFacts>& kernels,
                                const std::map<std::string, KernelRow>& table);

}  // namespace scca::test
