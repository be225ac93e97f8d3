#include "ops/matmul_blocks.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/simd.h"
#include "ops/block_registers.h"
#include "ops/cast.h"
#include "ops/dequantize.h"

namespace scca {
namespace {

/// c's columns, panel by panel, each computed once: forward from some of b's rows, backward from some of its
/// columns.
void multiply_columns(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options) {
  const bool forward = options.transpose_b;
  const int64_t columns = c.size(1), depth = forward ? b.size(1) : b.size(0);
  const int64_t some = panel_rows(columns, depth, b.device());
  Tensor memory = Tensor::empty({some * depth}, a.dtype(), a.device());
  MatmulWorkspace none;
  for (int64_t begin = 0; begin < columns; begin += some) {
    const int64_t count = std::min(some, columns - begin);
    Tensor panel = memory.rows(0, count * depth).reshape(forward ? Shape{count, depth} : Shape{depth, count});
    SCCA_ON_DEVICE(a.device(), dequantize(b, forward ? begin : 0, forward ? 0 : begin, panel));
    SCCA_ON_DEVICE(a.device(), matmul(a, panel, MatrixPart(c, begin, count), options, none));
  }
}

/// Backward to the input, added up in c over panels of b's rows: of a tall b (a vocabulary) a column's panel
/// would be narrow, and a would be read as often.
void add_up_rows(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options) {
  const int64_t rows = b.size(0), some = panel_rows(rows, b.size(1), b.device());
  Tensor memory = Tensor::empty({some, b.size(1)}, a.dtype(), a.device());
  MatmulWorkspace none;
  for (int64_t begin = 0; begin < rows; begin += some) {
    const int64_t count = std::min(some, rows - begin);
    Tensor panel = memory.rows(0, count);
    SCCA_ON_DEVICE(a.device(), dequantize(b, begin, 0, panel));
    MatmulOptions sum = options;
    sum.accumulate = options.accumulate || begin > 0;
    SCCA_ON_DEVICE(a.device(), matmul(MatrixPart(a, begin, count), panel, c, sum, none));
  }
}

}  // namespace

int64_t panel_rows(int64_t rows, int64_t width, Device device) {
  // a share of the last level of cache: 4 MB of f32 on the CPU, 16 MB of bf16 on a GPU
  const int64_t weights = int64_t{1} << (device == Device::cpu ? 20 : 23);
  constexpr int64_t tile = 64;  // of oneDNN's and cuBLAS's kernels
  return std::min(rows, std::max(tile, weights / std::max<int64_t>(width, 1) / tile * tile));
}

void matmul_blocks_into(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options) {
  SCCA_CHECK(!options.transpose_a, "matmul: a transposed a with ", name_of(b.dtype()),
             " is a weight's gradient, which such a weight has not");
  NoGrad no_grad;
  const bool one_row = options.transpose_b && a.size(0) == 1 && a.dtype() != DType::f64;
  const bool on_cpu = a.device() == Device::cpu;
  const bool widens = a.dtype() == DType::bf16 && on_cpu && (one_row || !multiplies_bf16(a.device()));
  const Tensor x = widens ? cast(a.detach(), DType::f32) : a.detach();
  const bool rounds = c.dtype() == DType::bf16 && (widens || one_row);
  Tensor sum = rounds ? Tensor::empty(c.shape(), DType::f32, c.device()) : c;
  if (rounds && options.accumulate) SCCA_ON_DEVICE(c.device(), convert(c, sum));
  if (one_row) {
    SCCA_ON_DEVICE(c.device(), multiply_row(x, b, sum, options));
  } else if (options.transpose_b || sum.dtype() == DType::bf16) {  // bf16 is rounded once, not at each panel
    multiply_columns(x, b, sum, options);
  } else {
    add_up_rows(x, b, sum, options);
  }
  if (rounds) SCCA_ON_DEVICE(c.device(), convert(sum, c));
}

namespace cpu {
namespace {

template <class Format>
float dot(const uint8_t* row, const float* x, int64_t width) {
  using namespace simd;
  floats sums[blocks::kRun / kWidth] = {};
  for (int64_t run = 0; run < width / blocks::kRun; ++run, x += blocks::kRun)
    blocks::for_each_register<Format>(row, run, [&](int first, floats weights) {
      floats& sum = sums[first / kWidth];
      sum = simd::fma(weights, load(x + first), sum);
    });
  for (int p = 1; p < blocks::kRun / kWidth; ++p) sums[0] += sums[p];
  return reduce_sum(sums[0]);
}

}  // namespace

void multiply_row(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options) {
  const int64_t width = b.size(1);
  const auto bytes = static_cast<int64_t>(row_bytes(b.dtype(), width));
  const auto* rows = reinterpret_cast<const uint8_t*>(b.raw());
  const float* x = a.data<float>();
  float* out = c.data<float>();
  const auto scale = static_cast<float>(options.scale);
  const bool accumulate = options.accumulate;
  const int64_t grain = std::max<int64_t>(1, kElementwiseGrain / std::max<int64_t>(width, 1));
  blocks::visit(b.dtype(), "matmul", [&]<class Format>() {
    parallel_for(b.size(0), grain, [=](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j)
        out[j] = scale * dot<Format>(rows + j * bytes, x, width) + (accumulate ? out[j] : 0.0f);
    });
  });
}

}  // namespace cpu
}  // namespace scca
