#pragma once
// What the emulator's sources share: the block that runs, device memory, and the hooks of the checks.
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "cuemu/core.h"
#include "cuemu/counters.h"
#include "cuemu/launch.h"
#include "fiber.h"

namespace cuemu {

enum class Access : uint8_t { read, write, atomic };

inline constexpr int kMaxThreads = 1024, kMaxWarps = kMaxThreads / 32;
// Of an A100, the smallest device that the kernels are built for.
inline constexpr size_t kSharedWithoutAsking = 48 << 10, kSharedMost = 163 << 10;

// ---- the block that runs (scheduler.cpp) ----

struct Thread {
  enum class State : uint8_t { ready, waits_for_block, waits_for_warp, finished };

  void* stack;
  const char* local;  // where its stack's memory begins
  int id;             // within its block; lane id % 32 of warp id / 32
  State state;
  uint3 index;
  Site site;            // where it waits
  const char* what;     // what it waits in
  int copies, commits;  // of cp.async, not yet waited for (pipeline.cpp)
};

struct Warp {
  /// Lanes that wait for each other: disjoint masks, so the lowest lane names the group.
  struct Group {
    uint32_t mask, arrived;
    const char* what;
    Site site;
  } groups[32];
  uint32_t lanes;       // that exist
  uint32_t epoch;       // barriers of the whole warp so far
  uint64_t value[32];   // what a lane brings to an exchange
  uint64_t result[32];  // what it gets; fixed when the last lane has come
  int8_t source[32];
};

struct Block {
  const Launch* launch;
  int threads, finished, waiting, predicates, counted;
  Site site;
  const char* what;
  Thread thread[kMaxThreads];
  Warp warp[kMaxWarps];
};

extern Block block;
extern Thread* running;  // null while the host's own code runs
Stacks& stacks();

void run_launch(const Launch& launch);
/// CUEMU_LAST_BLOCKS=N: only the last N blocks of each kernel run. 0: all do.
uint64_t last_blocks();

// ---- messages (report.cpp) ----

/// Ends the program with one line about the host's doing.
[[noreturn]] void fatal(const std::string& what);
/// As fatal, naming kernel, block, thread and the source line.
[[noreturn]] void fault(const Thread& thread, const std::string& what, const std::string& where);
std::string describe(Site site);
/// "core/cuda_utils.cuh:95 from ops/rms_norm.cu:57" of the place a call returns to.
std::string describe_code(const void* return_address);
/// "ops/rms_norm.cu forward<float>(...)".
std::string describe_kernel(const void* kernel);
std::string kernel_name(const void* function);
std::string thread_name(int id);
std::string plural(int64_t n, const char* noun);
void explain_segmentation_faults();

// ---- sites of barriers and waits, to be listed or skipped (sites.cpp) ----

/// With CUEMU_LIST_LAUNCHES=FILE: appends each launch of another shape, "ops/rms_norm.cu
/// forward<float>(...)", threads of a block and bytes of dynamic shared memory, tabs between.
void list_launch(const Launch& launch);

extern bool watching_sites;
bool skip_slowly(Site site, const char* what);
inline bool skipped(Site site, const char* what) { return watching_sites && skip_slowly(site, what); }

// ---- device memory (memory.cpp) ----

struct Arena {
  char* base = nullptr;
  size_t bytes = 0;  // reserved addresses
  size_t used = 0;   // below this, something has been allocated
  bool contains(const void* address) const { return address >= base && address < base + bytes; }
};
extern Arena arena;
extern CuemuCounters counters;

/// While one lives, device memory can be read and written by this process.
struct DeviceOpen {
  DeviceOpen();
  ~DeviceOpen();
  DeviceOpen(const DeviceOpen&) = delete;
  DeviceOpen& operator=(const DeviceOpen&) = delete;
};

/// Faults unless [address, address + bytes) lies in one live allocation.
void check_device_range(const char* call, const void* address, size_t bytes);
bool is_pinned(const void* address);
/// Device memory, which is open.
void set_zero(void* memory, size_t bytes);
/// "byte 400 of the 256 allocated at ...", for messages.
std::string describe_address(const void* address);
cudaError_t failed(cudaError_t error);  // remembered for cudaGetLastError
bool device_exists();

// ---- streams (stream.cpp) ----

void enqueue_work(cudaStream_t stream, std::function<void()> work);
void run_everything();

// ---- cp.async (pipeline.cpp) ----

void finish_copies(Thread& thread);

// ---- the checks: check_access.cpp in the variant `check`, check_none.cpp in the others ----

namespace check {

extern const bool on;
extern bool paused;  // the emulator itself is at work on a fiber
void reserve(const Arena& arena);
void allocated(const void* address, size_t bytes);
void released(const void* address, size_t bytes);
void written_by_host(const void* address, size_t bytes);
void copied(const void* to, const void* from, size_t bytes);
void launch_begins(const Launch& launch);
void block_begins();
void block_synchronised();
void block_ends();
/// All lanes of a warp have come to the same place (check_banks.cpp).
void warp_met(int warp);
void allow_bank_conflicts(int ways);
/// Accesses of the emulated hardware and of libraries on the device's behalf.
void access(const void* address, size_t bytes, Access kind, const void* code);
void by_library(const char* call, const void* address, size_t bytes, Access kind);
void copy_issued(const void* shared, size_t bytes, const void* code);
void copy_arrives(const void* shared, size_t bytes);

}  // namespace check
}  // namespace cuemu

extern thread_local unsigned char dyn_smem[];
