#pragma once
// The gated unit of LLaMA's feed-forward layer (Shazeer, arXiv 2002.05202, eq. 6).
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y = silu(gate) * up, silu(g) = g / (1 + e^-g), element by element; one shape and dtype. Backward
/// recomputes from gate and up. Where no gradient is recorded it works in place when the caller hands over
/// the only handle of `gate` (std::move). Throws Error when shapes or dtypes differ.
Tensor swiglu(Tensor gate, const Tensor& up);

/// y may be gate. An empty dgate or dup is not wanted; either may be gate, up or dy.
SCCA_KERNELS(void swiglu_forward(const Tensor& gate, const Tensor& up, Tensor& y);
             void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& dy, Tensor& dgate,
                                  Tensor& dup);)

}  // namespace scca
