#include "ops/add_bias.h"
#include "ops/column_parameter.cuh"
#include "ops/row_groups.cuh"
#include "ops/row_groups.h"

namespace scca::cuda {
namespace {

constexpr int64_t kMostRowBlocks = 1024;  // down the grid; enough to fill any device

/// A thread adds a pack of the bias to its columns, in every gridDim.y-th row. Moves 2 n elements. y may be
/// x.
template <int N, class T, class B>
__global__ void forward(const T* x, const B* bias, int64_t rows, int64_t width, T* y) {
  const int64_t column = grid_thread() * N;
  if (column >= width) return;
  const Floats<N> b = load<N>(bias + column);
#pragma unroll 2
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    Floats<N> v = load<N>(x + row * width + column);
#pragma unroll
    for (int k = 0; k < N; ++k) v.at[k] += b.at[k];
    store(y + row * width + column, v);
  }
}

/// partial[g] = the sum of dy over the g-th group of rows, in their order. A thread sums a pack of columns;
/// groups go down the grid. Moves n elements.
template <int N, class T>
__global__ void backward(const T* dy, int64_t rows, int64_t width, int64_t group, float* partial) {
  const int64_t begin = blockIdx.y * group, end = std::min(rows, begin + group);
  const int64_t column = grid_thread() * N;
  if (column >= width) return;
  Floats<N> sum{};
#pragma unroll 4
  for (int64_t row = begin; row < end; ++row) {
    const Floats<N> d = load<N>(dy + row * width + column);
#pragma unroll
    for (int k = 0; k < N; ++k) sum.at[k] += d.at[k];
  }
  store(partial + blockIdx.y * width + column, sum);
}

}  // namespace

void add_bias_forward(const Tensor& x, const Tensor& bias, Tensor& y) {
  const int64_t width = x.size(-1), rows = x.numel() / std::max<int64_t>(width, 1);
  visit_rows_and_parameter("add_bias", x, bias, aligned(x, bias, y), [&]<class T, class B, int N>() {
    launch(groups_launch("add_bias", std::min(rows, kMostRowBlocks), width / N), forward<N, T, B>, data<T>(x),
           data<B>(bias), rows, width, data<T>(y));
  });
}

void add_bias_backward(const Tensor& dy, Tensor& dbias, Tensor& sums) {
  const int64_t width = dy.size(-1), rows = dy.numel() / std::max<int64_t>(width, 1);
  visit_rows_and_parameter("add_bias", dy, dbias, aligned(dy), [&]<class T, class B, int N>() {
    const int64_t groups = sums.size(0);
    launch(groups_launch("add_bias", groups, width / N), backward<N, T>, data<T>(dy), rows, width,
           row_group(rows, Device::cuda), data<float>(sums));
    launch({"add_bias", blocks_for(width), kThreads}, sum_groups<B>, data<float>(sums), groups, width,
           data<B>(dbias));
  });
}

}  // namespace scca::cuda
