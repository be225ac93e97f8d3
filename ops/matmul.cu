#include <cublas_v2.h>

#include <limits>

#include "core/cuda_utils.cuh"
#include "ops/matmul.h"

namespace scca::cuda {
namespace {

void check(cublasStatus_t status, std::source_location where = std::source_location::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail("matmul: ", cublasGetStatusString(status), " at ops/matmul.cu:", where.line(),
       status == CUBLAS_STATUS_ALLOC_FAILED
           ? "; the device's memory is full: use a shorter context or a smaller batch"
           : "");
}

cublasHandle_t handle() {
  static const cublasHandle_t made = [] {
    cublasHandle_t fresh = nullptr;
    check(cublasCreate_v2(&fresh));
    check(cublasSetStream_v2(fresh, stream()));
    // bf16 products summed in parts are added up in f32 too, not in the result's bf16.
    check(cublasSetMathMode(
        fresh,
        static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
    return fresh;
  }();
  return made;
}

cudaDataType type_of(const Tensor& t) {
  if (t.dtype() == DType::f32) return CUDA_R_32F;
  if (t.dtype() != DType::bf16)
    fail("matmul: ", name_of(t.dtype()),
         " on CUDA, expected f32 or bf16; f64 is for exact checks on the CPU");
  return CUDA_R_16BF;
}

int as_int(int64_t side) {
  SCCA_CHECK(side <= std::numeric_limits<int>::max(), "matmul: a side of ", side,
             ", 2^31 or more, is beyond cuBLAS");
  return static_cast<int>(side);
}

const std::byte* first_of(const MatrixPart& slice) {
  return slice.matrix.raw() + slice.begin * static_cast<int64_t>(size_of(slice.matrix.dtype()));
}
std::byte* first_of(MatrixPart& slice) {
  return slice.matrix.raw() + slice.begin * static_cast<int64_t>(size_of(slice.matrix.dtype()));
}

}  // namespace

/// cuBLAS counts columns first, where c = a b is c^T = b^T a^T of the same memory. f32 is computed in f32,
/// not in TF32: f32 here means f32, and bf16 is what is fast.
void matmul(const MatrixPart& a, const Tensor& b, MatrixPart c, const MatmulOptions& options,
            MatmulWorkspace&) {
  const float scale = static_cast<float>(options.scale), keep = options.accumulate ? 1 : 0;
  const int m = as_int(c.matrix.size(0)), n = as_int(c.count),
            k = as_int(options.transpose_a ? a.matrix.size(0) : a.count);
  check(cublasGemmEx(handle(), options.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                     options.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k, &scale, b.raw(), type_of(b),
                     as_int(b.size(1)), first_of(a), type_of(a.matrix), as_int(a.matrix.size(1)), &keep,
                     first_of(c), type_of(c.matrix), as_int(c.matrix.size(1)), CUBLAS_COMPUTE_32F,
                     CUBLAS_GEMM_DEFAULT));
}

}  // namespace scca::cuda
