#pragma once
// One product of parts of matrices by oneDNN, on the CPU: what ops/matmul's kernel is made of.
#include "ops/matmul.h"

namespace scca::cpu {

/// A matrix, or a part of one: `rows` of `columns` elements, `stride` elements apart.
struct MatrixView {
  const std::byte* at;
  int64_t rows, columns, stride;
  DType dtype;

  MatrixView(const MatrixPart& part)
      : at(part.matrix.raw()),
        rows(part.matrix.size(0)),
        columns(part.count),
        stride(part.matrix.size(1)),
        dtype(part.matrix.dtype()) {
    move(part.begin);
  }
  MatrixView columns_of(int64_t begin, int64_t count) const {
    MatrixView part = *this;
    part.columns = count;
    part.move(begin);
    return part;
  }
  MatrixView rows_of(int64_t begin, int64_t count) const {
    MatrixView part = *this;
    part.rows = count;
    part.move(begin * stride);
    return part;
  }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(at);
  }

 private:
  void move(int64_t elements) { at += elements * static_cast<int64_t>(size_of(dtype)); }
};

/// Whether oneDNN multiplies bf16 by the CPU's own instructions (AVX-512 with bf16, AMX): without them it is
/// slower with bf16 than with f32, or refuses.
bool dnnl_multiplies_bf16();

/// c = scale * op(a) op(b) + (accumulate ? c : 0) by one call of oneDNN, on as many threads as OpenMP has.
/// Operands of f32, or of bf16 where dnnl_multiplies_bf16(); sizes are known to fit.
void dnnl_product(const MatrixView& a, const MatrixView& b, const MatrixView& c,
                  const MatmulOptions& options);

}  // namespace scca::cpu
