#pragma once
// One training step's arithmetic: what the trainer does, and what is planned before it.
#include <cstdint>
#include <functional>

#include "models/llama.h"
#include "train/data/data.h"

namespace scca {

/// The forward passes of a step, and how many predictions they make together.
struct StepPasses {
  int64_t count = 1, predictions = 0;
};

/// Gathers in the learning weights the gradients of the mean loss over all predictions of a step, each pass
/// of it over the batch that batch_of(pass) gives; returns that loss. A prediction weighs the same in
/// whichever pass it is. Stops at a loss that is not finite, and returns it.
double forward_backward(Llama& model, const ForwardOptions& options, StepPasses passes,
                        const std::function<RowBatch(int64_t pass)>& batch_of);

/// The mean loss of the batch.
Tensor loss_of(const Llama& model, const RowBatch& batch, ForwardOptions options);

}  // namespace scca
