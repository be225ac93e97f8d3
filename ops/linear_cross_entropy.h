#pragma once
// The output layer and its loss in one, in chunks of rows: never are there tokens x vocabulary logits (as in
// Liger Kernel, arXiv 2410.10989, section 3.2).
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// mean over tokens with target != ignore_index of -log softmax(hidden W^T)[target]: hidden [..., D], weight
/// W [V, D], targets i32 on the CPU with one entry per row of hidden; a scalar in f32 (f64 when hidden is).
/// Logits and softmax are f32 (f64), whatever mixture of f32 and bf16 hidden and weight are. Gradients are
/// made chunk by chunk in the forward pass, while the logits are there, and only the wanted ones; backward
/// scales them. Where the device multiplies bf16 (ops/matmul.h) and hidden is bf16, the products take hidden,
/// weight and the logits' gradient rounded to it, as those of the layers do, and sum in f32. Throws Error for
/// a target outside [0, V), and when no target is left to predict.
Tensor linear_cross_entropy(const Tensor& hidden, const Tensor& weight_VD, const Tensor& targets,
                            int64_t ignore_index = -100);

/// The terms of that mean, by the same kernel, without gradients: [N], 0 where the target is ignored. For
/// evaluation.
Tensor token_losses(const Tensor& hidden, const Tensor& weight_VD, const Tensor& targets,
                    int64_t ignore_index = -100);

/// Rows whose logits are in memory at once, in f32 (f64 beside f64): as many as a device keeps close to it,
/// or where those are too few for a product to be worth reading the weight and adding to its gradient, enough
/// for that.
int64_t loss_chunk_rows(int64_t rows, int64_t vocabulary, DType logits, Device device);

/// softmax_losses: losses[n] = -log softmax(logits[n])[targets[n]], 0 where ignored. With grad_scale != 0
/// logits become their gradient, grad_scale (softmax - onehot(target)), 0 where ignored.
/// scale_gradient: d *= grad, a scalar tensor; no pass over d where it is 1.
SCCA_KERNELS(void softmax_losses(Tensor& logits, const Tensor& targets, int64_t ignore_index,
                                 double grad_scale, Tensor& losses);
             void mean_loss(const Tensor& losses, int64_t count, Tensor& mean);
             void scale_gradient(const Tensor& grad, Tensor& d);)

}  // namespace scca
