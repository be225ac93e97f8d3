#pragma once
// A training run's state in one file: a safetensors file that is either whole or not there (core/file.h). Its
// tensors are parameter.NAME, first.NAME and second.NAME (AdamW's moments) for every learning weight; its
// metadata has the step, the random state, the settings and a hash of all this. The data's position follows
// from the step.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"
#include "models/files/safetensors.h"

namespace scca {

struct TrainState {
  int64_t step = 0;  // steps done
  RandomState random;
  nlohmann::json settings;
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Throws Error with the path and the system's reason; then the file is as it was before.
void write_checkpoint(const std::filesystem::path& file, const TrainState& state,
                      const NamedTensors& tensors);

/// An opened checkpoint: what it holds is what was written.
class Checkpoint {
 public:
  /// Reads all of it. Throws Error naming the file when it is damaged in any place, or no checkpoint.
  explicit Checkpoint(const std::filesystem::path& file);
  const TrainState& state() const { return state_; }
  /// Copies the stored values into these tensors. Throws Error naming the first tensor that is missing, left
  /// over, or of another shape or dtype; nothing has been copied then.
  void restore(NamedTensors tensors) const;

 private:
  SafetensorsFile stored_;
  TrainState state_;
};

}  // namespace scca
