#pragma once
// NVIDIA's own header, then the device side that only nvcc would add to it. The prototypes of the runtime
// stay NVIDIA's, so the emulator's definitions of them cannot drift.
#define cudaLaunchKernelEx cuemu_not_this_launch  // its form loses the kernel's type: launch.h has another
#include_next <cuda_runtime.h>
#undef cudaLaunchKernelEx

#undef __shared__
#define __shared__ thread_local  // blocks run one after another, on one thread of the host
#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__

#include "cuemu/core.h"
#include "cuemu/device.h"
#include "cuemu/launch.h"
