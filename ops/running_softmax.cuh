#pragma once
// The statistics of a softmax in one pass (Milakov & Gimelshein, arXiv 1805.02867, algorithm 3).
#include <limits>

#include "core/elementwise.cuh"

namespace scca::cuda {

/// The largest of some logits, and the sum of exp(logit - largest).
struct RunningSoftmax {
  float largest = std::numeric_limits<float>::lowest(),
        sum = 0;  // not -inf: a logit of -inf would make NaN of it

  template <int K>
  __device__ void add(const Floats<K>& x) {
    float now = largest;
#pragma unroll
    for (int k = 0; k < K; ++k) now = fmaxf(now, x.at[k]);
    sum *= expf(largest - now);
#pragma unroll
    for (int k = 0; k < K; ++k) sum += expf(x.at[k] - now);
    largest = now;
  }
};

}  // namespace scca::cuda
