#pragma once
// For tests: what the emulated device was asked to do. The functions are weak: a test program linked without
// the emulator finds them null, and skips what needs them (`if (cuemu_counters == nullptr) ...`).
#include <cstdint>

struct CuemuCounters {
  int64_t launches = 0;          // kernels
  int64_t copies_to_device = 0;  // calls, whatever their size
  int64_t copies_to_host = 0;
  int64_t bytes_to_device = 0;
  int64_t bytes_to_host = 0;
  int64_t waits = 0;        // calls that made the host wait for the device
  int64_t live_bytes = 0;   // in cudaMalloc's hands now
  int64_t allocations = 0;  // calls of cudaMalloc that succeeded
};

extern "C" CuemuCounters cuemu_counters() __attribute__((weak));

/// True in the variant whose kernels run under the memory, initialisation and race checks.
extern "C" bool cuemu_checks_accesses() __attribute__((weak));
