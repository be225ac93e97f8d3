// What the runtime says of the device, its errors, and what it refuses to launch. To test what a program says
// where there is no device:  CUEMU_DEVICES=0  none;  CUEMU_DRIVER=11040  a driver of CUDA 11.4;
// CUEMU_DRIVER=0  no driver.
#include <cublas_v2.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "internal.h"

namespace cuemu {
namespace {

int setting(const char* name, int otherwise) {
  const char* set = std::getenv(name);
  return set ? std::atoi(set) : otherwise;
}
int driver_version() { return setting("CUEMU_DRIVER", CUDART_VERSION); }

thread_local cudaError_t last_error = cudaSuccess;

/// Dynamic shared memory that a kernel has asked leave for.
std::map<const void*, size_t>& asked_shared() {
  static auto* made = new std::map<const void*, size_t>;
  return *made;
}

cudaError_t refusal(const Launch& launch) {
  const cudaLaunchConfig_t& config = launch.config;
  const dim3 grid = config.gridDim, block_dim = config.blockDim;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return cudaErrorInvalidConfiguration;
  if (block_dim.x == 0 || block_dim.y == 0 || block_dim.z == 0 || block_dim.z > 64 ||
      uint64_t{block_dim.x} * block_dim.y * block_dim.z > static_cast<uint64_t>(kMaxThreads))
    return cudaErrorInvalidConfiguration;
  const auto asked = asked_shared().find(launch.kernel);
  const size_t allowed = std::max(kSharedWithoutAsking, asked == asked_shared().end() ? 0 : asked->second);
  if (config.dynamicSmemBytes > allowed || config.numAttrs != 0) return cudaErrorInvalidValue;
  return cudaSuccess;
}

}  // namespace

bool device_exists() {
  return driver_version() >= CUDART_VERSION / 1000 * 1000 && setting("CUEMU_DEVICES", 1) > 0;
}

cudaError_t failed(cudaError_t error) { return last_error = error; }

cudaError_t enqueue(std::unique_ptr<Launch> launch) {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  if (const cudaError_t error = refusal(*launch)) return failed(error);
  ++counters.launches;
  list_launch(*launch);
  const cudaStream_t stream = launch->config.stream;
  enqueue_work(stream, [work = std::shared_ptr<Launch>(std::move(launch))] { run_launch(*work); });
  return cudaSuccess;
}

}  // namespace cuemu

using namespace cuemu;

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return failed(cudaErrorInvalidValue);
  if (value < 0 || static_cast<size_t>(value) > kSharedMost) return failed(cudaErrorInvalidValue);
  asked_shared()[function] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* devices) {
  *devices = 0;
  if (driver_version() < CUDART_VERSION / 1000 * 1000) return failed(cudaErrorInsufficientDriver);
  if (!device_exists()) return failed(cudaErrorNoDevice);
  *devices = setting("CUEMU_DEVICES", 1);
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device == 0 && device_exists() ? cudaSuccess : failed(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = cudaSetDevice(device)) return error;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "CUDA emulator (CPU)");
  properties->major = 8;
  size_t available = 0;
  cudaMemGetInfo(&available, &properties->totalGlobalMem);
  properties->multiProcessorCount = 4;  // few: a kernel that sizes its grid by it still runs in small tests
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = kMaxThreads;
  properties->sharedMemPerBlock = kSharedWithoutAsking;
  properties->sharedMemPerBlockOptin = kSharedMost;
  properties->sharedMemPerMultiprocessor = kSharedMost + (1 << 10);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(kSharedMost);
      return cudaSuccess;
    default:
      return failed(cudaErrorInvalidValue);
  }
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

namespace {
struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};
#define CUEMU_ERROR(name, text) \
  { name, #name, text }
constexpr ErrorText kErrors[] = {
    CUEMU_ERROR(cudaSuccess, "no error"),
    CUEMU_ERROR(cudaErrorInvalidValue, "invalid argument"),
    CUEMU_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    CUEMU_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    CUEMU_ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    CUEMU_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    CUEMU_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
};
const ErrorText& text_of(cudaError_t error) {
  for (const ErrorText& known : kErrors)
    if (known.error == error) return known;
  static constexpr ErrorText unknown{cudaErrorUnknown, "unrecognized error code", "unrecognized error code"};
  return unknown;
}
}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return text_of(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return text_of(error).text; }
