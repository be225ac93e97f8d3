#pragma once
// Token ids to vectors.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y[..., :] = table[ids[...], :]: ids i32 of any shape, table [V, D] of dtype `out` or f32, y [..., D] of
/// dtype `out`. Only the table has a gradient: a row's is the sum over its tokens in their order. Throws
/// Error naming an id outside [0, V) and where it stands.
Tensor embedding(const Tensor& ids, const Tensor& table_VD, DType out);

SCCA_KERNELS(void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y);
             void embedding_backward(const Tensor& ids, const Tensor& dy, Tensor& dtable);)

}  // namespace scca
