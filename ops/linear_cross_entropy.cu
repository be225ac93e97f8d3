#include "core/elementwise.cuh"
#include "ops/linear_cross_entropy.h"
#include "ops/running_softmax.cuh"

namespace scca::cuda {
namespace {

/// One row a block: largest and sum in one pass, gradient in a second. Moves 4 bytes a logit, with a gradient
/// 12, of which the second reading often comes from the L2 cache: the rows at work are fewer than it holds up
/// to a vocabulary of some 50000.
template <int N>
__global__ void __launch_bounds__(kMostThreads)
    softmax_rows(float* logits, const int32_t* targets, int64_t ignore_index, int64_t vocabulary,
                 float grad_scale, float* losses) {
  __shared__ float scratch[2][32];
  float* x = logits + blockIdx.x * vocabulary;
  const int64_t target = targets[blockIdx.x];
  if (target == ignore_index) {  // the whole block
    if (threadIdx.x == 0) losses[blockIdx.x] = 0;
    if (grad_scale == 0) return;
    for_each_pack<N>(vocabulary, threadIdx.x, blockDim.x,
                     [&]<int K>(int64_t i) { store(x + i, Floats<K>{}); });
    return;
  }
  const float at_target = x[target];
  RunningSoftmax mine;
  for_each_pack<N>(vocabulary, threadIdx.x, blockDim.x, [&]<int K>(int64_t i) { mine.add(load<K>(x + i)); });
  const float largest = block_max(mine.largest, scratch[0]);
  const float sum = block_sum(mine.sum * expf(mine.largest - largest), scratch[1]);
  if (threadIdx.x == 0) losses[blockIdx.x] = logf(sum) + largest - at_target;
  if (grad_scale == 0) return;
  const float factor = grad_scale / sum;
  for_each_pack<N>(vocabulary, threadIdx.x, blockDim.x, [&]<int K>(int64_t i) {
    Floats<K> v = load<K>(x + i);
#pragma unroll
    for (int k = 0; k < K; ++k)
      v.at[k] = expf(v.at[k] - largest) * factor - (i + k == target ? grad_scale : 0);
    store(x + i, v);
  });
}

/// One block, since there is one number a token.
__global__ void __launch_bounds__(kMostThreads)
    mean_of(const float* losses, int64_t n, double count, float* mean) {
  __shared__ double scratch[32];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += losses[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) *mean = static_cast<float>(sum / count);
}

/// Moves 2 n elements, none where the factor, known on the device only, is 1.
template <int N, class T>
__global__ void scale_by(const float* grad, int64_t n, T* d) {
  const float factor = *grad;
  if (factor == 1) return;
  for_each_pack<N>(n, grid_thread(), grid_size(), [&]<int K>(int64_t i) {
    Floats<K> x = load<K>(d + i);
#pragma unroll
    for (int k = 0; k < K; ++k) x.at[k] *= factor;
    store(d + i, x);
  });
}

}  // namespace

void softmax_losses(Tensor& logits, const Tensor& targets, int64_t ignore_index, double grad_scale,
                    Tensor& losses) {
  const int64_t vocabulary = logits.size(1);
  visit_pack<4>(vocabulary % 4 == 0 && aligned(logits), [&]<int N>() {
    launch({"linear_cross_entropy", blocks_along_x("linear_cross_entropy", logits.size(0)),
            threads_for(vocabulary / N, kMostThreads)},
           softmax_rows<N>, data<float>(logits), data<int32_t>(targets), ignore_index, vocabulary,
           static_cast<float>(grad_scale), data<float>(losses));
  });
}

void mean_loss(const Tensor& losses, int64_t count, Tensor& mean) {
  launch({"linear_cross_entropy", 1, kMostThreads}, mean_of, data<float>(losses), losses.numel(),
         static_cast<double>(count), data<float>(mean));
}

void scale_gradient(const Tensor& grad, Tensor& d) {
  visit_work(d.dtype(), "linear_cross_entropy", [&]<class T>() {
    visit_pack<kPack<T>>(aligned(d), [&]<int N>() {
      launch({"linear_cross_entropy", blocks_for((d.numel() + N - 1) / N), kThreads}, scale_by<N, T>,
             data<float>(grad), d.numel(), data<T>(d));
    });
  });
}

}  // namespace scca::cuda
