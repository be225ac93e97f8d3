#pragma once
// y = x W^T, the layer that most of a transformer is made of.
#include "core/tensor.h"

namespace scca {

/// y[..., O] = sum_i x[..., i] weight[O, i]: x [..., I], weight [O, I] (Hugging Face's order), y [..., O].
/// weight is of x's dtype, or frozen and of a block dtype. A frozen weight is kept for dx and x is dropped;
/// an input without gradient is dropped likewise.
Tensor linear(const Tensor& x, const Tensor& weight_OI);

/// base + scale * (x W^T), for the low-rank update of LoRA: base [..., O]. `base` is written in place when
/// the caller hands over its only handle (std::move), so that an update costs no tensor of its own.
Tensor linear_add(Tensor base, const Tensor& x, const Tensor& weight_OI, double scale);

}  // namespace scca
