#pragma once
// From one floating dtype to another.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// The same values in `dtype` (f32, bf16 or f64), rounded to nearest even (f64 to bf16 by way of f32); the
/// gradient is cast back. The same dtype gives the handle itself. x may be of a block dtype: then the whole
/// becomes numbers.
Tensor cast(const Tensor& x, DType dtype);

SCCA_KERNELS(void convert(const Tensor& x, Tensor& y);)

}  // namespace scca
