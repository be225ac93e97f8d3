#pragma once
// cp.async: copies from global to shared memory that a thread waits for later.
#include <cuda_runtime.h>

inline void __pipeline_memcpy_async(void* shared, const void* global, size_t bytes, size_t zero_filled = 0,
                                    cuemu::Site site = CUEMU_HERE) {
  cuemu::copy_async(shared, global, bytes, zero_filled, site);
}
inline void __pipeline_commit() { cuemu::commit_copies(); }
inline void __pipeline_wait_prior(size_t groups_left, cuemu::Site site = CUEMU_HERE) {
  cuemu::wait_for_copies(groups_left, site);
}
