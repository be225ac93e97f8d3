#pragma once
// The residual sum.
#include "core/tensor.h"

namespace scca {

/// a + b, of one shape and dtype. Works in place when the caller hands over the only handle of `a`
/// (std::move). Both gradients are the incoming one: no copy is made.
Tensor add(Tensor a, const Tensor& b);

}  // namespace scca
