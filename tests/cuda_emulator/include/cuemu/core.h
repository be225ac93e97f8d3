#pragma once
// What a kernel compiled by a plain C++ compiler needs from the emulator: who it is, and the points where it
// waits for others. The rest of the device side (device.h, ptx.h, the pipeline, wmma) is written over these.
#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <source_location>

// A thread's own coordinates. The scheduler writes them at every switch; to the thread they are constants,
// and const lets the compiler keep them in registers.
extern const uint3 threadIdx asm("cuemu_thread_index");
extern const uint3 blockIdx asm("cuemu_block_index");
extern const dim3 blockDim asm("cuemu_block_size");
extern const dim3 gridDim asm("cuemu_grid_size");
inline constexpr int warpSize = 32;

namespace cuemu {

/// A place in the source, taken where a kernel calls an intrinsic (as a default argument).
using Site = std::source_location;
#define CUEMU_HERE ::std::source_location::current()

/// __syncthreads, and its forms that also count the threads whose predicate is true.
void barrier(Site site);
int barrier_count(bool predicate, Site site);

/// __syncwarp.
void warp_barrier(uint32_t mask, Site site);

/// Called by every lane of `mask`; returns what lane `source` brought. A source outside the mask is a fault.
uint64_t exchange(uint32_t mask, uint64_t bits, int source, Site site);

/// Called by every lane of `mask` with an argument of its own. When all are there, the last to arrive calls
/// complete(arguments by lane, mask) once, and all go on.
using Complete = void (*)(void* const* arguments, uint32_t mask);
void collective(const char* name, uint32_t mask, void* argument, Complete complete, Site site);

int lane();

/// cp.async. The copy is made as late as it may be: at the wait.
void copy_async(void* shared, const void* global, size_t bytes, size_t zero_filled, Site site);
void commit_copies();
void wait_for_copies(size_t groups_left, Site site);

[[noreturn]] void trap(const char* what, Site site);

}  // namespace cuemu
