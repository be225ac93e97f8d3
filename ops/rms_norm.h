#pragma once
// Root mean square layer normalisation (Zhang & Sennrich, arXiv 1910.07467, eq. 4).
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y = x / sqrt(mean(x^2) + eps) * weight, over the last dimension: x and y [..., D], weight [D] of x's dtype
/// or f32. Statistics in f32 (f64 for f64). Throws Error when the widths differ.
Tensor rms_norm(const Tensor& x, const Tensor& weight_D, double eps);

/// `scale` is 1 / sqrt(mean(x^2) + eps), one number a row. An empty dx or dweight is not wanted; `sums` is
/// row_group_sums(x) (ops/row_groups.h) where dweight is.
SCCA_KERNELS(void rms_norm_forward(const Tensor& x, const Tensor& weight, double eps, Tensor& y,
                                   Tensor& scale);
             void rms_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& scale,
                                    const Tensor& dy, Tensor& dx, Tensor& dweight, Tensor& sums);)

}  // namespace scca
