#pragma once
// Sums of gradients: the one piece of arithmetic that the autograd engine itself needs.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// sum += term, where an empty sum is zero. Works in place when `sum` is the only handle to its storage, else
/// in fresh memory: a gradient that two inputs share (as in a residual add) is never written.
void accumulate(Tensor& sum, Tensor term);

SCCA_KERNELS(void add_in_place(Tensor& sum, const Tensor& term);
             void add_out_of_place(const Tensor& a, const Tensor& b, Tensor& sum);)

}  // namespace scca
