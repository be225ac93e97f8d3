#include "core/elementwise.cuh"
#include "ops/column_parameter.cuh"
#include "ops/rms_norm.h"
#include "ops/row_groups.cuh"
#include "ops/row_groups.h"
#include "ops/row_team.cuh"

namespace scca::cuda {
namespace {

/// Moves 2 n elements where a row of x fits into shared memory (`kept` bytes), else 3 n. A thread reads back
/// what it wrote there, so nobody waits.
template <bool kWarp, int N, class T, class W>
__global__ void __launch_bounds__(Team<kWarp>::kBlock)
    forward(const T* x, const W* weight, float eps, int64_t rows, int64_t width, bool kept, T* y,
            float* scales) {
  using On = Team<kWarp>;
  const int64_t row = On::row();
  if (row >= rows) return;  // a whole team
  const T* again = x + row * width;
  if (kept) again = reinterpret_cast<T*>(dyn_smem) + row % On::kRows * width;
  float sum = 0;
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    const Floats<K> v = load<K>(x + row * width + i);
    if (kept) store(const_cast<T*>(again) + i, v);
#pragma unroll
    for (int k = 0; k < K; ++k) sum += v.at[k] * v.at[k];
  });
  const float scale = 1 / sqrtf(On::sum(sum) / static_cast<float>(width) + eps);
  if (On::thread() == 0) scales[row] = scale;
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    Floats<K> v = load<K>(again + i);
    const Floats<K> w = load<K>(weight + i);
#pragma unroll
    for (int k = 0; k < K; ++k) v.at[k] = v.at[k] * scale * w.at[k];
    store(y + row * width + i, v);
  });
}

/// With n = x s (the normalised row) and g = dy weight:  dx = s (g - n mean(g n)). Moves 3 n elements where
/// rows of x and dy fit into shared memory, else 5 n.
template <bool kWarp, int N, class T, class W>
__global__ void __launch_bounds__(Team<kWarp>::kBlock)
    backward_rows(const T* x, const W* weight, const float* scales, const T* dy, int64_t rows, int64_t width,
                  bool kept, T* dx) {
  using On = Team<kWarp>;
  const int64_t row = On::row();
  if (row >= rows) return;  // a whole team
  const T *x_again = x + row * width, *dy_again = dy + row * width;
  if (kept) {
    x_again = reinterpret_cast<T*>(dyn_smem) + row % On::kRows * 2 * width;
    dy_again = x_again + width;
  }
  float dot = 0;
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    const Floats<K> v = load<K>(x + row * width + i), d = load<K>(dy + row * width + i),
                    w = load<K>(weight + i);
    if (kept) store(const_cast<T*>(x_again) + i, v);
    if (kept) store(const_cast<T*>(dy_again) + i, d);
#pragma unroll
    for (int k = 0; k < K; ++k) dot += d.at[k] * w.at[k] * v.at[k];
  });
  const float scale = scales[row], mean = On::sum(dot) * scale / static_cast<float>(width);
  for_each_pack<N>(width, On::thread(), On::threads(), [&]<int K>(int64_t i) {
    Floats<K> v = load<K>(x_again + i);
    const Floats<K> d = load<K>(dy_again + i), w = load<K>(weight + i);
#pragma unroll
    for (int k = 0; k < K; ++k) v.at[k] = scale * (d.at[k] * w.at[k] - v.at[k] * scale * mean);
    store(dx + row * width + i, v);
  });
}

/// partial[g] = sum of dy x s over the g-th group of rows, in their order. A thread sums a pack of columns;
/// groups go down the grid. Moves 2 n elements.
template <int N, class T>
__global__ void backward_weight(const T* x, const float* scales, const T* dy, int64_t rows, int64_t width,
                                int64_t group, float* partial) {
  const int64_t begin = blockIdx.y * group, end = std::min(rows, begin + group);
  const int64_t column = grid_thread() * N;
  if (column >= width) return;
  Floats<N> sum{};
#pragma unroll 4
  for (int64_t row = begin; row < end; ++row) {
    const float scale = scales[row];
    const Floats<N> v = load<N>(x + row * width + column), d = load<N>(dy + row * width + column);
#pragma unroll
    for (int k = 0; k < N; ++k) sum.at[k] += d.at[k] * v.at[k] * scale;
  }
  store(partial + blockIdx.y * width + column, sum);
}

}  // namespace

void rms_norm_forward(const Tensor& x, const Tensor& weight, double eps, Tensor& y, Tensor& scale) {
  const int64_t rows = scale.numel(), width = x.size(-1);
  visit_rows_and_parameter("rms_norm", x, weight, aligned(x, weight, y), [&]<class T, class W, int N>() {
    launch_rows<N, T>("rms_norm", rows, width, 1, [&]<bool kWarp>(const Launch& at, bool kept) {
      launch(at, forward<kWarp, N, T, W>, data<T>(x), data<W>(weight), static_cast<float>(eps), rows, width,
             kept, data<T>(y), data<float>(scale));
    });
  });
}

void rms_norm_backward(const Tensor& x, const Tensor& weight, const Tensor& scale, const Tensor& dy,
                       Tensor& dx, Tensor& dweight, Tensor& sums) {
  const int64_t rows = scale.numel(), width = x.size(-1);
  visit_rows_and_parameter("rms_norm", x, weight, aligned(x, weight, dy, dx), [&]<class T, class W, int N>() {
    if (dx) {
      launch_rows<N, T>("rms_norm", rows, width, 2, [&]<bool kWarp>(const Launch& at, bool kept) {
        launch(at, backward_rows<kWarp, N, T, W>, data<T>(x), data<W>(weight), data<float>(scale),
               data<T>(dy), rows, width, kept, data<T>(dx));
      });
    }
    if (dweight) {
      const int64_t group = row_group(rows, Device::cuda), groups = sums.size(0);
      launch(groups_launch("rms_norm", groups, width / N), backward_weight<N, T>, data<T>(x),
             data<float>(scale), data<T>(dy), rows, width, group, data<float>(sums));
      launch({"rms_norm", blocks_for(width), kThreads}, sum_groups<W>, data<float>(sums), groups, width,
             data<W>(dweight));
    }
  });
}

}  // namespace scca::cuda
