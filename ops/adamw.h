#pragma once
// AdamW (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2), as PyTorch computes it, and the norm that
// gradient clipping needs. Not differentiable.
#include <cstdint>
#include <span>
#include <vector>

#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;
};

/// One parameter, its gradient g and its state, alike in shape. All f32 (or all f64): parameters that train
/// are kept in f32, also beside bf16 activations. m and v start as zeros.
struct AdamWParameter {
  Tensor parameter, grad, m, v;
  bool decay = true;  // false spares it from weight decay (norm weights, usually)
};

/// Step number t = 1, 2, ... over all parameters in one parallel pass; one without a gradient is left alone:
///   g = grad_scale grad,   parameter *= 1 - lr weight_decay,
///   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
///   parameter -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps).
/// grad_scale is for clipping: min(1, clip / gradient_norm). Throws Error when shapes or dtypes differ, t <
/// 1, or a parameter is memory that may not be written (a mapped file).
void adamw_step(std::vector<AdamWParameter>& parameters, const AdamWOptions& options, int64_t t,
                double grad_scale = 1);

/// sqrt(sum of all squares), empty tensors skipped: summed in double, in blocks of fixed size and in their
/// order. The same bits at any thread count; NaN or inf where a gradient has one.
double gradient_norm(std::span<const Tensor> grads);

/// What the norm writes on its way: a number for each piece of the gradients; on CUDA the list of pieces, and
/// the sum.
struct NormWorkspace {
  Tensor parts, list, total;
};

/// `list` is where CUDA puts the list of pieces; empty on the CPU.
SCCA_KERNELS(void adamw(std::vector<AdamWParameter>& parameters, const AdamWOptions& options, int64_t t,
                        double grad_scale, Tensor& list);
             void sum_of_squares(std::span<const Tensor> grads, NormWorkspace& workspace, double& sum);)

}  // namespace scca
