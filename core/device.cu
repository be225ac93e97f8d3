// The CUDA device: whether there is one, and its stream.
#include "core/device.h"

#include "core/cuda_utils.cuh"

namespace scca::cuda {
namespace {

std::string why_no_device() {
  int driver = 0, devices = 0;
  cudaDriverGetVersion(&driver);
  const cudaError_t result = cudaGetDeviceCount(&devices);
  cudaGetLastError();
  const auto version = [](int v) { return concat(v / 1000, ".", v % 1000 / 10); };
  if (driver == 0) return "there is no NVIDIA driver; install one, or use the CPU";
  if (result == cudaErrorInsufficientDriver)
    return concat("the NVIDIA driver is for CUDA ", version(driver), ", this program needs ", version(CUDART_VERSION),
                  "; install a newer driver, or use the CPU");
  if (result == cudaErrorNoDevice || (result == cudaSuccess && devices == 0))
    return "no CUDA device was found; is one hidden by CUDA_VISIBLE_DEVICES? Or use the CPU";
  if (result != cudaSuccess)
    return concat("CUDA does not start: ", cudaGetErrorString(result), "; use the CPU");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "device");
  if (properties.major < 8)
    return concat(properties.name, " has compute capability ", properties.major, ".", properties.minor,
                  ", 8.0 or above is needed (bf16 tensor cores); use the CPU");
  return "";
}

}  // namespace

const std::string& why_unusable() {
  static const std::string why = why_no_device();
  return why;
}

DeviceProperties properties() {
  cudaDeviceProp device{};
  check(cudaGetDeviceProperties(&device, 0), "device");
  return {device.name, device.major, device.minor, device.multiProcessorCount,
          static_cast<int64_t>(device.totalGlobalMem)};
}

/// The pool that memory is taken from; what is given back stays there for the next step.
cudaMemPool_t memory_pool() {
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, 0), "device");
  return pool;
}

int64_t free_bytes() {
  size_t available = 0, total = 0;
  uint64_t reserved = 0, used = 0;
  check(cudaMemGetInfo(&available, &total), "device");
  check(cudaMemPoolGetAttribute(memory_pool(), cudaMemPoolAttrReservedMemCurrent, &reserved), "device");
  check(cudaMemPoolGetAttribute(memory_pool(), cudaMemPoolAttrUsedMemCurrent, &used), "device");
  return static_cast<int64_t>(available + reserved - used);
}

cudaStream_t stream() {
  static const cudaStream_t queue = [] {
    if (!why_unusable().empty()) fail("CUDA: ", why_unusable());
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "device");
    uint64_t keep_all = UINT64_MAX;
    check(cudaMemPoolSetAttribute(memory_pool(), cudaMemPoolAttrReleaseThreshold, &keep_all), "device");
    return made;
  }();
  return queue;
}

}  // namespace scca::cuda
