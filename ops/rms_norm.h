#pragma once
// Root mean square layer normalisation (Zhang & Sennrich, arXiv 1910.07467, eq. 4).
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y = x / sqrt(mean(x^2) + eps) * weight, over the last dimension: x and y [..., D], weight [D] of x's dtype
/// or f32. Statistics in f32 (f64 for f64). Throws Error when the widths differ.
Tensor rms_norm(const Tensor& x, const Tensor& weight_D, double eps);

/// Where backward sums dweight: one row for each group of rows of x, in their order, then the groups in
/// theirs. By the rows and the device alone, so that the bits are the same for any number of threads or
/// blocks.
int64_t rms_norm_group(int64_t rows, Device device);
/// [groups, D], in f32 (f64 for f64).
Tensor rms_norm_sums(const Tensor& x);

/// `scale` is 1 / sqrt(mean(x^2) + eps), one number a row. An empty dx or dweight is not wanted; `sums` is
/// rms_norm_sums(x) where dweight is.
SCCA_KERNELS(void rms_norm_forward(const Tensor& x, const Tensor& weight, double eps, Tensor& y,
                                   Tensor& scale);
             void rms_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& scale,
                                    const Tensor& dy, Tensor& dx, Tensor& dweight, Tensor& sums);)

}  // namespace scca
