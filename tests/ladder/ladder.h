#pragma once
// Two kernels, each in three steps from what one would write first towards what ops/ has. README.md says what
// every step changes and what it should gain.
#include "core/tensor.h"

namespace scca::ladder {

/// y = x / sqrt(mean(x^2) + eps) * weight over the last dimension (arXiv 1910.07467, eq. 4). x and y [rows,
/// width], weight [width], all f32 on CUDA. The third step throws Error above a width of 4096.
void rms_norm_thread_a_row(const Tensor& x, const Tensor& weight, double eps, Tensor& y);
void rms_norm_block_a_row(const Tensor& x, const Tensor& weight, double eps, Tensor& y);
void rms_norm_vectors(const Tensor& x, const Tensor& weight, double eps, Tensor& y);

/// Width of an attention head: fixed, so that the kernels' sizes are numbers.
inline constexpr int kHeadDim = 64;

/// out_i = sum over j of softmax_j(q_i . k_j / 8) v_j, over j <= i when causal. All [heads, tokens, 64] on
/// CUDA; f32 in the first two steps, bf16 in the third. The first keeps two matrices of tokens^2 numbers a
/// head.
void attention_naive(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, Tensor& out);
void attention_tiled(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, Tensor& out);
void attention_tensor_core(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, Tensor& out);

}  // namespace scca::ladder
