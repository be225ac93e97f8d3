#include "tests/static/occupancy.h"

#include <cuda_occupancy.h>

#include <climits>

#include "core/check.h"

namespace scca::test {
namespace {

/// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability". In all three a
/// multiprocessor runs 64 warps and has 64 Ki registers, and each block pays 1 KiB of shared memory to the
/// system.
cudaOccDeviceProp properties_of(int arch) {
  cudaOccDeviceProp card;
  card.computeMajor = arch / 10;
  card.computeMinor = arch % 10;
  card.maxThreadsPerBlock = 1024;
  card.maxThreadsPerMultiprocessor = 2048;
  card.regsPerBlock = card.regsPerMultiprocessor = 64 << 10;
  card.warpSize = 32;
  card.reservedSharedMemPerBlock = 1 << 10;
  card.sharedMemPerBlock = 48 << 10;
  card.sharedMemPerMultiprocessor = (arch == 80 ? 164 : 228) << 10;
  card.sharedMemPerBlockOptin = card.sharedMemPerMultiprocessor - card.reservedSharedMemPerBlock;
  card.numSms = arch == 80 ? 108 : arch == 90 ? 132 : 148;
  return card;
}

}  // namespace

const std::vector<int>& known_archs() {
  static const std::vector<int> archs{80, 90, 100};
  return archs;
}

Occupancy occupancy(int arch, int threads, int registers, size_t static_shared, size_t dynamic_shared) {
  if (arch != 80 && arch != 90 && arch != 100)
    fail("static: the occupancy of sm_", arch, " is not known here");
  const cudaOccDeviceProp card = properties_of(arch);
  cudaOccFuncAttributes kernel;
  kernel.maxThreadsPerBlock = INT_MAX;
  kernel.numRegs = registers;
  kernel.sharedSizeBytes = static_shared;
  kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  kernel.maxDynamicSharedSizeBytes = dynamic_shared;
  kernel.numBlockBarriers = 1;
  const cudaOccDeviceState state;
  cudaOccResult result{};
  const cudaOccError error =
      cudaOccMaxActiveBlocksPerMultiprocessor(&result, &card, &kernel, &state, threads, dynamic_shared);
  if (error != CUDA_OCC_SUCCESS)
    fail("static: cuda_occupancy.h refuses sm_", arch, " (error ", int(error), ")");
  const int blocks = result.activeBlocksPerMultiprocessor, warps = (threads + 31) / 32;
  return {blocks, blocks * warps, card.maxThreadsPerMultiprocessor / card.warpSize};
}

}  // namespace scca::test
