#pragma once
// One training step's arithmetic: what the trainer does, and what is planned before it.
#include <cstdint>
#include <functional>

#include "models/llama.h"
#include "train/data/data.h"

namespace scca {

/// Gathers in the learning weights the gradients of the mean loss over all predictions of `passes` forward
/// passes, each over the batch that rows(pass) gives, asked twice; returns that loss. A prediction weighs the
/// same in whichever pass it is. Stops at a loss that is not finite, and returns it.
double forward_backward(Llama& model, const ForwardOptions& options, int64_t passes,
                        const std::function<RowBatch(int64_t pass)>& rows);

/// The mean loss of the batch.
Tensor loss_of(const Llama& model, const RowBatch& batch, ForwardOptions options);

}  // namespace scca
