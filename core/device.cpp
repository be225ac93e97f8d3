#include "core/device.h"

#include <algorithm>
#include <fstream>

#include "core/check.h"
#include "core/control_group.h"
#include "core/storage.h"

namespace scca {

namespace cuda {  // core/device.cu
const std::string& why_unusable();
DeviceProperties properties();
int64_t free_bytes();
}  // namespace cuda

namespace {

int64_t memory_of_system() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (int64_t value; file >> key >> value; std::getline(file, unit))
    if (key == "MemAvailable:") return value * 1024;
  return -1;
}

int64_t available_to_process() {
  const int64_t machine = memory_of_system(), groups = memory_left_by_control_groups();
  const int64_t fresh = machine < 0 || groups < 0 ? std::max(machine, groups) : std::min(machine, groups);
  return fresh < 0 ? fresh : fresh + pooled_bytes(Device::cpu);
}

}  // namespace

const std::string& why_unusable(Device device) {
  static const std::string usable;
  if (device == Device::cpu) return usable;
#ifdef SCCA_CUDA
  return cuda::why_unusable();
#else
  static const std::string no_cuda = "this build has no CUDA; build with nvcc on the PATH, or use the CPU";
  return no_cuda;
#endif
}

void need_device(Device device, const std::string& asked) {
  if (!why_unusable(device).empty()) fail(asked, ": ", why_unusable(device));
}

const DeviceProperties& cuda_properties() {
  need_device(Device::cuda, "device");
#ifdef SCCA_CUDA
  static const DeviceProperties found = cuda::properties();
#else
  static const DeviceProperties found;
#endif
  return found;
}

int64_t available_memory(Device device) {
  if (device == Device::cpu) return available_to_process();
  need_device(device, "device");
#ifdef SCCA_CUDA
  return cuda::free_bytes();
#else
  return -1;
#endif
}

}  // namespace scca
