#include "ops/matmul_row.h"

#include <vector>

#include "core/parallel.h"
#include "core/simd.h"

namespace scca::cpu {
namespace {

using simd::floats;

/// Sums side by side: each waits for the one before.
constexpr int64_t kSums = 4;

template <class T>
float dot(const float* x, const T* row, int64_t width) {
  floats sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums * simd::kWidth <= width; i += kSums * simd::kWidth) {
#pragma GCC unroll 16
    for (int64_t p = 0; p < kSums; ++p)
      sums[p] =
          simd::fma(simd::load(x + i + p * simd::kWidth), simd::load(row + i + p * simd::kWidth), sums[p]);
  }
  for (; i + simd::kWidth <= width; i += simd::kWidth)
    sums[0] = simd::fma(simd::load(x + i), simd::load(row + i), sums[0]);
  if (i < width)
    sums[1] = simd::fma(simd::load_first(x + i, width - i), simd::load_first(row + i, width - i), sums[1]);
  return simd::reduce_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class B, class C>
void multiply(const float* x, const MatrixView& b, C* out, const MatmulOptions& options) {
  const auto scale = static_cast<float>(options.scale);
  const bool accumulate = options.accumulate;
  const B* rows = b.data<B>();
  parallel_for(b.rows, std::max<int64_t>(1, kElementwiseGrain / std::max<int64_t>(b.columns, 1)),
               [=](int64_t begin, int64_t end) {
                 for (int64_t j = begin; j < end; ++j)
                   out[j] = C(scale * dot(x, rows + j * b.stride, b.columns) +
                              (accumulate ? static_cast<float>(out[j]) : 0.0f));
               });
}

}  // namespace

bool is_one_row(int64_t rows, const MatmulOptions& options) {
  return rows == 1 && options.transpose_b && !options.transpose_a;
}

void multiply_one_row(const MatrixView& a, const MatrixView& b, const MatrixView& c,
                      const MatmulOptions& options) {
  auto* at = const_cast<std::byte*>(c.at);
  if (a.dtype == DType::f32)
    return multiply<float>(a.data<float>(), b, reinterpret_cast<float*>(at), options);
  const std::vector<float> x(a.data<bf16>(), a.data<bf16>() + a.columns);
  if (c.dtype == DType::f32) return multiply<bf16>(x.data(), b, reinterpret_cast<float*>(at), options);
  multiply<bf16>(x.data(), b, reinterpret_cast<bf16*>(at), options);
}

}  // namespace scca::cpu
