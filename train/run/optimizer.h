#pragma once
// AdamW over a model's learning weights.
#include <cstdint>
#include <string>
#include <vector>

#include "models/llama.h"
#include "ops/adamw.h"
#include "train/run/checkpoint.h"

namespace scca {

class Optimizer {
 public:
  /// Holds the handles of all weights that require a gradient, and two zeroed moments for each. Weight decay
  /// is on matrices only. Throws UsageError when nothing learns.
  explicit Optimizer(Llama& model);

  /// How many numbers learn.
  int64_t parameter_count() const;
  /// The norm of all gathered gradients together.
  double gradient_norm();
  /// Step t = 1, 2, ... with the gradients times `gradient_scale`; they are cleared.
  void step(int64_t t, const AdamWOptions& options, double gradient_scale);

  /// Weights and moments, as a checkpoint names them, sharing their storage.
  NamedTensors state() const;

 private:
  std::vector<std::string> names_;
  std::vector<AdamWParameter> parameters_;
};

}  // namespace scca
