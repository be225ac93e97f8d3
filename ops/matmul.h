#pragma once
// Matrix products: oneDNN on the CPU, cuBLAS on CUDA. The kernel under ops/linear and
// ops/linear_cross_entropy.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// How a product is taken and where it goes: c = scale * op(a) op(b) + (accumulate ? c : 0).
struct MatmulOptions {
  bool transpose_a = false;  // op(a) = a^T: a is stored [K, M]
  bool transpose_b = false;  // op(b) = b^T: b is stored [N, K]
  double scale = 1;
  bool accumulate = false;
};

/// op(a) is [M, K], op(b) is [K, N], c is [M, N]; all 2-D, of one floating dtype, or c f32 beside bf16 a and
/// b. f32 and bf16 accumulate in f32 and round once. oneDNN divides a product among threads by rules of its
/// own: the same bits for the same thread count only, but for SameBitsAtAnyThreadCount. Throws Error with
/// both shapes when they do not fit.
void matmul_into(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options = {});

/// While one lives, products that its thread asks for on the CPU have the same bits at any thread count: each
/// is parted by its shape alone, and every part is one thread's. For generation, where a bit decides a word.
class SameBitsAtAnyThreadCount {
 public:
  SameBitsAtAnyThreadCount();
  ~SameBitsAtAnyThreadCount();
  SameBitsAtAnyThreadCount(const SameBitsAtAnyThreadCount&) = delete;
  SameBitsAtAnyThreadCount& operator=(const SameBitsAtAnyThreadCount&) = delete;

 private:
  bool before_;
};

/// What a product writes beside c, made by matmul_into. On the CPU, where oneDNN is not to be given a, b or c
/// as they are: bf16 operands widened to f32 (the result with them), a transposed a turned. Empty: taken as
/// it is.
struct MatmulWorkspace {
  Tensor wide_a, wide_b, wide_c, turned_a;
};

SCCA_KERNELS(void matmul(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options,
                         MatmulWorkspace& workspace);)

}  // namespace scca
