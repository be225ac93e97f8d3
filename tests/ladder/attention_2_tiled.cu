// Attention, step 2: no score leaves the multiprocessor (FlashAttention, Dao et al., arXiv 2205.14135).
//
// A block of threads owns 64 queries, and the keys and values move past it in tiles of 32, through shared
// memory. A row's softmax is kept running (Milakov & Gimelshein, arXiv 1805.02867): the largest score so far,
// the sum of exp(score - largest), and the sum of exp(score - largest) v. When a tile brings a larger score,
// both sums shrink by exp(old largest - new). At the end out = sum of weighted v / sum of weights. k and v
// are read once for 64 queries and not once for each; tiles that lie in the future of all 64 are not read at
// all.
//
// Four threads share a query, neighbours in a warp: each makes a quarter of the tile's scores, they agree on
// the largest by two shuffles, and each sums a quarter of the output's columns.
//
// What is left: every product fetches two numbers from shared memory, which delivers 32 a cycle where the
// multiprocessor multiplies 64 or 128 pairs; and the tensor cores, 8 to 16 times as fast as f32, stand still.
#include "core/cuda_utils.cuh"
#include "tests/ladder/ladder.h"

namespace scca::ladder {
namespace {

constexpr int kQueries = 64, kKeys = 32, kParts = 4, kThreads = kQueries * kParts;
constexpr int kStride = kHeadDim + 1;  // rows that threads read side by side start in different banks
constexpr int kColumns = kHeadDim / kParts, kScores = kKeys / kParts;  // of a thread
constexpr float kScale = 0.125f;                                       // 1 / sqrt(64)

struct Shared {
  float q[kQueries * kStride], k[kKeys * kStride], v[kKeys * kStride], weights[kQueries * (kKeys + 1)];
};

/// Rows [first, first + count) into shared memory; past the end, zeros.
__device__ void load_rows(const float* matrix, int first, int count, int tokens, float* shared) {
  for (int i = static_cast<int>(threadIdx.x); i < count * kHeadDim; i += kThreads) {
    const int row = i / kHeadDim, column = i % kHeadDim;
    shared[row * kStride + column] =
        first + row < tokens ? matrix[static_cast<int64_t>(first + row) * kHeadDim + column] : 0;
  }
}

/// Over the four threads of a query.
__device__ float largest_of_four(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ float sum_of_four(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

__global__ void __launch_bounds__(kThreads)
    tiled(const float* q, const float* k, const float* v, bool causal, int tokens, float* out) {
  Shared& shared = *reinterpret_cast<Shared*>(dyn_smem);
  const int64_t head = static_cast<int64_t>(blockIdx.y) * tokens * kHeadDim;
  const int first_query = static_cast<int>(blockIdx.x) * kQueries;
  const int row = static_cast<int>(threadIdx.x) / kParts, part = static_cast<int>(threadIdx.x) % kParts;
  const int query = first_query + row, end = causal ? min(tokens, first_query + kQueries) : tokens;
  load_rows(q + head, first_query, kQueries, tokens, shared.q);

  float largest = -INFINITY, sum = 0, sums[kColumns] = {};
  for (int first_key = 0; first_key < end; first_key += kKeys) {
    load_rows(k + head, first_key, kKeys, tokens, shared.k);
    load_rows(v + head, first_key, kKeys, tokens, shared.v);
    __syncthreads();

    float scores[kScores], most = largest;
#pragma unroll
    for (int n = 0; n < kScores; ++n) {
      const int j = part + n * kParts, key = first_key + j;
      float score = 0;
      for (int i = 0; i < kHeadDim; ++i) score += shared.q[row * kStride + i] * shared.k[j * kStride + i];
      scores[n] = key >= tokens || (causal && key > query) ? -INFINITY : kScale * score;
      most = fmaxf(most, scores[n]);
    }
    most = largest_of_four(most);  // finite from the first tile on: every query sees key 0
    const float shrink = expf(largest - most);
    largest = most;
    sum *= shrink;
#pragma unroll
    for (int n = 0; n < kScores; ++n) {
      const float weight = expf(scores[n] - most);
      sum += weight;
      shared.weights[row * (kKeys + 1) + part + n * kParts] = weight;
    }
    __syncwarp();  // a query's four threads are of one warp, and read each other's weights

#pragma unroll
    for (int c = 0; c < kColumns; ++c) sums[c] *= shrink;
    for (int j = 0; j < kKeys; ++j) {
      const float weight = shared.weights[row * (kKeys + 1) + j];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) sums[c] += weight * shared.v[j * kStride + part + c * kParts];
    }
    __syncthreads();  // before the next tile takes this one's place
  }
  sum = sum_of_four(sum);
  if (query >= tokens) return;
  float* out_row = out + head + static_cast<int64_t>(query) * kHeadDim;
#pragma unroll
  for (int c = 0; c < kColumns; ++c) out_row[part + c * kParts] = sums[c] / sum;
}

}  // namespace

void attention_tiled(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, Tensor& out) {
  const int64_t heads = q.size(0), tokens = q.size(1);
  const dim3 grid(static_cast<unsigned>((tokens + kQueries - 1) / kQueries), static_cast<unsigned>(heads));
  cuda::launch({"ladder", grid, kThreads, sizeof(Shared)}, tiled, cuda::data<float>(q), cuda::data<float>(k),
               cuda::data<float>(v), causal, static_cast<int>(tokens), cuda::data<float>(out));
}

}  // namespace scca::ladder
