#pragma once
// Tensors one behind the other. (The name `concat` is taken, by core/check.h.)
#include <vector>

#include "core/tensor.h"

namespace scca {

/// The parts side by side along `axis` (-1: the last): alike but for their sizes there, of one dtype, any.
/// Backward cuts the gradient into theirs, each in memory of its own and only the wanted ones, and keeps
/// nothing. Throws Error for no parts, and for parts that do not fit the first.
Tensor concatenate(const std::vector<Tensor>& parts, int64_t axis);

}  // namespace scca
