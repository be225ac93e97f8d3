#pragma once
// A part of a tensor along one of its dimensions.
#include "core/tensor.h"

namespace scca {

/// The places [begin, begin + count) of x along `axis` (-1: the last), in memory of their own, so that x may
/// be freed; along the first dimension Tensor::rows() is the same as a view. Backward puts the gradient in
/// its place among zeros, and keeps nothing. Of any dtype. Throws Error for places that x does not have.
Tensor slice(const Tensor& x, int64_t axis, int64_t begin, int64_t count);

}  // namespace scca
