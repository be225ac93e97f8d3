// The entries of cuBLAS that the project calls, as plain loops: bf16 or f32 in and out, products and sums in
// f32. Queued in the handle's stream like kernels.
#include <cublas_v2.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "internal.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace cuemu {
namespace {

float load(const void* data, cudaDataType type, size_t i) {
  if (type == CUDA_R_32F) return static_cast<const float*>(data)[i];
  return std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t*>(data)[i]) << 16);
}

void store(void* data, cudaDataType type, size_t i, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[i] = value;
    return;
  }
  const auto bits = std::bit_cast<uint32_t>(value);  // to nearest even; NaN stays NaN
  static_cast<uint16_t*>(data)[i] =
      static_cast<uint16_t>(std::isnan(value) ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

size_t size_of(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

/// A matrix as cuBLAS sees it: columns of `rows` elements, `stride` elements apart.
struct Matrix {
  void* data;
  cudaDataType type;
  int rows, columns, stride;

  void touch(Access access) const {
    for (int column = 0; column < columns; ++column) {
      const void* first = static_cast<char*>(data) + static_cast<size_t>(column) * stride * size_of(type);
      const size_t bytes = static_cast<size_t>(rows) * size_of(type);
      check_device_range("cuBLAS", first, bytes);
      check::by_library("cuBLAS", first, bytes, access);
    }
  }
  float at(int row, int column) const { return load(data, type, static_cast<size_t>(column) * stride + row); }
};

/// The matrix, or its transpose, in f32 without gaps.
std::vector<float> dense(const Matrix& m, bool transpose) {
  std::vector<float> out(static_cast<size_t>(m.rows) * m.columns);
  for (int column = 0; column < m.columns; ++column)
    for (int row = 0; row < m.rows; ++row)
      out[transpose ? static_cast<size_t>(row) * m.columns + column
                    : static_cast<size_t>(column) * m.rows + row] = m.at(row, column);
  return out;
}

void multiply(const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b, float alpha, float beta,
              const Matrix& c) {
  if (c.rows == 0 || c.columns == 0) return;
  const int depth = transpose_a ? a.rows : a.columns;
  if (depth > 0) {
    a.touch(Access::read);
    b.touch(Access::read);
  }
  if (beta != 0) c.touch(Access::read);
  c.touch(Access::write);
  const std::vector<float> left = dense(a, transpose_a), right = dense(b, transpose_b);
  std::vector<float> sum(static_cast<size_t>(c.rows));
  for (int column = 0; column < c.columns; ++column) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (int k = 0; k < depth; ++k) {
      const float factor = right[static_cast<size_t>(column) * depth + k];
      const float* from = &left[static_cast<size_t>(k) * c.rows];
      for (int row = 0; row < c.rows; ++row) sum[row] += factor * from[row];
    }
    for (int row = 0; row < c.rows; ++row)
      store(c.data, c.type, static_cast<size_t>(column) * c.stride + row,
            alpha * sum[row] + (beta == 0 ? 0.0f : beta * c.at(row, column)));
  }
}

bool known(cudaDataType type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

}  // namespace
}  // namespace cuemu

using namespace cuemu;

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (!device_exists()) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  run_everything();
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

/// Sums here are f32 in every mode.
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                            int n, int k, const void* alpha, const void* A, cudaDataType Atype, int lda,
                            const void* B, cudaDataType Btype, int ldb, const void* beta, void* C,
                            cudaDataType Ctype, int ldc, cublasComputeType_t computeType, cublasGemmAlgo_t) {
  const bool ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
  if (m < 0 || n < 0 || k < 0 || lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) ||
      ldc < std::max(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  // the mixtures that cuBLAS knows: inputs of one type, and the output of theirs or f32
  if (!known(Atype) || Atype != Btype || !known(Ctype) || (Ctype == CUDA_R_16BF && Atype != Ctype) ||
      computeType != CUBLAS_COMPUTE_32F)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const Matrix a{const_cast<void*>(A), Atype, ta ? k : m, ta ? m : k, lda};
  const Matrix b{const_cast<void*>(B), Btype, tb ? n : k, tb ? k : n, ldb};
  const Matrix c{C, Ctype, m, n, ldc};
  const float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  enqueue_work(handle->stream, [=] { multiply(a, ta, b, tb, scale, keep, c); });
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "the operation completed successfully";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the requested functionality is not supported";
    default:
      return "unknown status";
  }
}
