#pragma once
// From numbers to weights in few bits, when a model is read or written. Not differentiable: what learns is
// not kept so.
#include <cstddef>

#include "core/tensor.h"

namespace scca {

/// Whether this program makes blocks of this dtype: q4_0, q8_0 (as ggml's reference rounds) and nf4.
bool can_quantize(DType blocks);

/// `count` weights, whole blocks, as a row of `blocks`: nearest to them. False for a weight that is not
/// finite or too large for the format's scale; `row` is then unfinished. Throws Error unless
/// can_quantize(blocks).
bool quantize_row(DType blocks, const float* weights, int64_t count, std::byte* row);

/// A matrix on the CPU, of f32, f64 or bf16, as `blocks`. Throws Error for rows that are not whole blocks,
/// for a weight that quantize_row() refuses, and unless can_quantize(blocks).
Tensor quantized(const Tensor& weight, DType blocks);

}  // namespace scca
