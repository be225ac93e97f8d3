#pragma once
// One training step's arithmetic: what the trainer does, and what is planned before it.
#include <cstdint>
#include <functional>

#include "models/llama.h"

namespace scca {

/// Gathers in the learning weights the gradients of the mean loss over `passes` forward passes, each over the
/// ids i32 [batch, context] that rows(pass) gives; returns that loss. Stops at a loss that is not finite, and
/// returns it.
double forward_backward(Llama& model, const ForwardOptions& options, int64_t passes,
                        const std::function<Tensor(int64_t pass)>& rows);

}  // namespace scca
