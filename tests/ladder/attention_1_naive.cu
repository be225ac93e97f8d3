// Attention, step 1: the formula, one kernel per sign in it. scores = q k^T / 8, weights = softmax(scores),
// out = weights v, each a matrix in memory.
//
// What is wrong: the score matrix. It has tokens^2 numbers a head, and goes to memory and back four times
// (written, read and rewritten by the softmax, read), where q, k, v and out are 4 x 64 numbers a token. At
// 4096 tokens that is 64 times as many bytes, and 64 MiB a head to keep. Each thread also fetches two numbers
// for every product: the caches take most of it, but are themselves far slower than the arithmetic.
#include "core/cuda_utils.cuh"
#include "tests/ladder/ladder.h"

namespace scca::ladder {
namespace {

constexpr int kSide = 16;         // a block is 16 x 16 threads, each of which makes one number
constexpr float kScale = 0.125f;  // 1 / sqrt(64)

__global__ void scores_of(const float* q, const float* k, bool causal, int tokens, float* scores) {
  const int key = static_cast<int>(blockIdx.x * kSide + threadIdx.x);
  const int query = static_cast<int>(blockIdx.y * kSide + threadIdx.y);
  if (key >= tokens || query >= tokens) return;
  const int64_t head = blockIdx.z;
  const float* q_row = q + (head * tokens + query) * kHeadDim;
  const float* k_row = k + (head * tokens + key) * kHeadDim;
  float sum = 0;
  for (int i = 0; i < kHeadDim; ++i) sum += q_row[i] * k_row[i];
  scores[(head * tokens + query) * tokens + key] = causal && key > query ? -INFINITY : kScale * sum;
}

__global__ void softmax_rows(int64_t rows, int tokens, float* scores) {
  const int64_t row = cuda::grid_thread();
  if (row >= rows) return;
  float* s = scores + row * tokens;
  float largest = -INFINITY, sum = 0;
  for (int j = 0; j < tokens; ++j) largest = fmaxf(largest, s[j]);
  for (int j = 0; j < tokens; ++j) sum += expf(s[j] - largest);
  for (int j = 0; j < tokens; ++j) s[j] = expf(s[j] - largest) / sum;
}

__global__ void weighted_sum(const float* weights, const float* v, int tokens, float* out) {
  const int column = static_cast<int>(blockIdx.x * kSide + threadIdx.x);
  const int query = static_cast<int>(blockIdx.y * kSide + threadIdx.y);
  if (query >= tokens) return;  // 64 columns fill their blocks
  const int64_t head = blockIdx.z;
  const float* w = weights + (head * tokens + query) * tokens;
  const float* v_column = v + head * tokens * kHeadDim + column;
  float sum = 0;
  for (int j = 0; j < tokens; ++j) sum += w[j] * v_column[static_cast<int64_t>(j) * kHeadDim];
  out[(head * tokens + query) * kHeadDim + column] = sum;
}

}  // namespace

void attention_naive(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, Tensor& out) {
  const int64_t heads = q.size(0), tokens = q.size(1), rows = heads * tokens;
  const auto blocks = [](int64_t n) { return static_cast<unsigned>((n + kSide - 1) / kSide); };
  const unsigned z = static_cast<unsigned>(heads);
  const int n = static_cast<int>(tokens);
  constexpr int threads = 64;
  Tensor scores = Tensor::empty({heads, tokens, tokens}, DType::f32, q.device());
  cuda::launch({"ladder", dim3(blocks(tokens), blocks(tokens), z), dim3(kSide, kSide)}, scores_of,
               cuda::data<float>(q), cuda::data<float>(k), causal, n, cuda::data<float>(scores));
  cuda::launch({"ladder", dim3(static_cast<unsigned>((rows + threads - 1) / threads)), threads}, softmax_rows,
               rows, n, cuda::data<float>(scores));
  cuda::launch({"ladder", dim3(blocks(kHeadDim), blocks(tokens), z), dim3(kSide, kSide)}, weighted_sum,
               cuda::data<float>(scores), cuda::data<float>(v), n, cuda::data<float>(out));
}

}  // namespace scca::ladder
