#pragma once
// How much memory a training step takes, from the shapes alone: known before anything is allocated.
#include <cstdint>
#include <string>

#include "models/llama.h"
#include "train/settings.h"

namespace scca {

struct MemoryEstimate {
  int64_t weights = 0;      // of the model
  int64_t optimizer = 0;    // gradients and two moments of what learns, f32
  int64_t activations = 0;  // kept for backward
  int64_t workspace = 0;    // what one backward op has at hand besides, at most

  int64_t total() const { return weights + optimizer + activations + workspace; }
};

/// Of a step of this model, its learning weights chosen.
MemoryEstimate estimate_memory(Llama& model, const TrainSettings& settings);

/// "1.3 GB (weights 21 MB, ...)"
std::string describe(const MemoryEstimate& estimate);

/// What this process may still take: the system's available memory, or less where a control group says so; -1
/// when unknown.
int64_t available_memory();

/// Throws Error with both figures and what to change when the estimate does not fit into what is available.
void check_memory(const MemoryEstimate& estimate);

}  // namespace scca
