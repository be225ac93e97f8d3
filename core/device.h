#pragma once
// What this program can run on.
#include <cstdint>
#include <string>

#include "core/dtype.h"

namespace scca {

/// What a CUDA device says of itself.
struct DeviceProperties {
  std::string name;
  int compute_major = 0, compute_minor = 0, multiprocessors = 0;
  int64_t total_bytes = 0;
};

/// Empty where `device` can be used; else one line that says why not (a build without CUDA, no device, a
/// driver that is too old) and what to do. The answer for CUDA is found once: asking costs a driver's start,
/// some 100 ms.
const std::string& why_unusable(Device device);

/// Throws Error with that line, `asked` before it.
void need_device(Device device, const std::string& asked);

/// Of the CUDA device in use. Throws Error when there is none.
const DeviceProperties& cuda_properties();

/// Bytes that tensors may still take: of the card's memory, or of this machine's as far as a control group
/// lets the program, and of what the pools of freed blocks (core/storage.h) keep; -1 when unknown.
int64_t available_memory(Device device);

}  // namespace scca
