#pragma once
// Matrix products: oneDNN on the CPU, cuBLAS on CUDA. The kernel under ops/linear and
// ops/linear_cross_entropy. The right operand may be kept in few bits (ops/matmul_blocks.h).
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
/// b, or b of a block dtype. f32 and bf16 accumulate in f32 and round once. oneDNN divides a product among
/// threads by rules of its own: the same bits for the same thread count only, but for
/// SameBitsAtAnyThreadCount. Throws Error with both shapes when they do not fit.
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

/// `weight` as the right operand of products with activations of `dtype`: cast to it, unless it is kept in
/// blocks.
Tensor as_operand(const Tensor& weight, DType dtype);

/// Whether products of bf16 are the device's own: on the CPU with AVX-512's bf16 instructions or AMX.
/// Elsewhere they are widened to f32.
bool multiplies_bf16(Device device);

/// Columns [begin, begin + count) of a matrix, whose rows lie matrix.size(1) apart.
struct MatrixPart {
  MatrixPart(const Tensor& matrix) : MatrixPart(matrix, 0, matrix.size(1)) {}  // whole
  MatrixPart(const Tensor& matrix, int64_t begin, int64_t count)
      : matrix(matrix), begin(begin), count(count) {}
  Tensor matrix;
  int64_t begin, count;
};

/// What a product writes beside c, made by matmul_into. On the CPU, where oneDNN is not to be given a, b or c
/// as they are: bf16 operands widened to f32 (the result with them), a transposed a turned. Empty: taken as
/// it is.
struct MatmulWorkspace {
  Tensor wide_a, wide_b, wide_c, turned_a;
};

/// With a workspace: whole matrices.
SCCA_KERNELS(void matmul(const MatrixPart& a, const Tensor& b, MatrixPart c, const MatmulOptions& options,
                         MatmulWorkspace& workspace);)

}  // namespace scca
