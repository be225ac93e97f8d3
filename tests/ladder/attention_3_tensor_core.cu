// Attention, step 3: the same loop on tensor cores, in bf16 (FlashAttention-2, Dao, arXiv 2307.08691,
// algorithm 1).
//
// The tensor core multiplies 16 x 16 by 16 x 8 numbers in one instruction, for a warp together; each of the
// 32 lanes holds a fixed few numbers of each matrix (core/ptx.cuh has the layout). So a warp owns 16 queries;
// a lane holds parts of two of them, rows g and g + 8, and a row's softmax is shared by four lanes. The
// product's result for q k^T is laid out as the next product wants its left side, so that the weights go from
// one to the other in registers, rounded to bf16 on the way: a score never even reaches shared memory. Sums
// are f32 throughout.
//
// q is loaded once into registers; a tile of 64 keys and values serves the four warps from shared memory, in
// rows of 144 bytes: with 128, the eight rows that one load of a warp reads would lie in the same banks.
//
// What is left, and is in ops/attention_forward.cu: tiles that arrive while the one before is in use
// (cp.async), masks only where a tile needs one, exp2 in place of exp, any head width, and any pattern in
// place of causal.
#include "core/cuda_utils.cuh"
#include "core/ptx.cuh"
#include "tests/ladder/ladder.h"

namespace scca::ladder {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps, kQueries = 16 * kWarps, kKeys = 64;
constexpr int kStride = kHeadDim + 8;
constexpr float kScale = 0.125f;  // 1 / sqrt(64)
using bf16 = __nv_bfloat16;

struct Shared {
  bf16 q[kQueries * kStride], k[kKeys * kStride], v[kKeys * kStride];
};

/// Rows [first, first + 64) into shared memory, 16 bytes a thread and turn; past the end, zeros.
__device__ void load_rows(const bf16* matrix, int first, int tokens, bf16* shared) {
  constexpr int pieces = kHeadDim / 8;
  for (int i = static_cast<int>(threadIdx.x); i < 64 * pieces; i += kThreads) {
    const int row = i / pieces, column = i % pieces * 8;
    const bf16* from = matrix + static_cast<int64_t>(first + row) * kHeadDim + column;
    *reinterpret_cast<uint4*>(shared + row * kStride + column) =
        first + row < tokens ? *reinterpret_cast<const uint4*>(from) : uint4{0, 0, 0, 0};
  }
}

/// Two numbers as the tensor core takes them: the first in the lower half.
__device__ uint32_t pair(float first, float second) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(first, second);
  uint32_t bits;
  memcpy(&bits, &both, sizeof(bits));
  return bits;
}

/// Over the four lanes of a row.
__device__ float largest_of_four(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ float sum_of_four(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/// scores[n] = q (16 rows) times keys 8n to 8n + 7. ldmatrix hands each lane its numbers of four 8 x 8
/// matrices: here 8 keys by 32 columns, two products' worth.
__device__ void score(const uint32_t (&q)[kHeadDim / 16][4], const bf16* keys,
                      float (&scores)[kKeys / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int n = 0; n < kKeys / 8; ++n) {
    for (float& s : scores[n]) s = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t r[4];
      cuda::ldmatrix_x4(r, keys + (8 * n + lane % 8) * kStride + 32 * half + lane / 8 * 8);
      cuda::mma_m16n8k16(scores[n], q[2 * half], {r[0], r[1]});
      cuda::mma_m16n8k16(scores[n], q[2 * half + 1], {r[2], r[3]});
    }
  }
}

/// out[c] += weights (16 rows, 64 keys) times columns 8c to 8c + 7 of the values. A value's row is a key,
/// where the product wants a column: ldmatrix transposes.
__device__ void add_values(const float (&weights)[kKeys / 8][4], const bf16* values,
                           float (&out)[kHeadDim / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int j = 0; j < kKeys / 16; ++j) {
    const float(&left)[4] = weights[2 * j];
    const float(&right)[4] = weights[2 * j + 1];
    const uint32_t a[4] = {pair(left[0], left[1]), pair(left[2], left[3]), pair(right[0], right[1]),
                           pair(right[2], right[3])};
#pragma unroll
    for (int c = 0; c < kHeadDim / 16; ++c) {
      uint32_t r[4];
      cuda::ldmatrix_x4_trans(r, values + (16 * j + lane % 16) * kStride + 16 * c + lane / 16 * 8);
      cuda::mma_m16n8k16(out[2 * c], a, {r[0], r[1]});
      cuda::mma_m16n8k16(out[2 * c + 1], a, {r[2], r[3]});
    }
  }
}

/// A lane's part of two rows' softmax: scores become weights, and what was summed before shrinks to the new
/// largest.
struct Running {
  float largest[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  float out[kHeadDim / 8][4] = {};

  __device__ void update(float (&scores)[kKeys / 8][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {  // rows g and g + 8: elements 0, 1 and 2, 3
      float most = largest[half];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n)
        most = fmaxf(most, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      most = largest_of_four(most);
      const float shrink = expf(largest[half] - most);
      largest[half] = most;
      sum[half] *= shrink;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) sum[half] += scores[n][e] = expf(scores[n][e] - most);
      }
#pragma unroll
      for (int c = 0; c < kHeadDim / 8; ++c) out[c][2 * half] *= shrink, out[c][2 * half + 1] *= shrink;
    }
  }
};

__global__ void __launch_bounds__(kThreads)
    tensor_core(const bf16* q, const bf16* k, const bf16* v, bool causal, int tokens, bf16* out) {
  Shared& shared = *reinterpret_cast<Shared*>(dyn_smem);
  const int64_t head = static_cast<int64_t>(blockIdx.y) * tokens * kHeadDim;
  const int lane = static_cast<int>(threadIdx.x) % 32, first_row = static_cast<int>(threadIdx.x) / 32 * 16;
  const int first_query = static_cast<int>(blockIdx.x) * kQueries;
  const int end = causal ? min(tokens, first_query + kQueries) : tokens;
  const int query = first_query + first_row + lane / 4;  // and the one 8 further
  load_rows(q + head, first_query, tokens, shared.q);
  __syncthreads();
  uint32_t q_parts[kHeadDim / 16][4];
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i)
    cuda::ldmatrix_x4(q_parts[i], shared.q + (first_row + lane % 16) * kStride + 16 * i + lane / 16 * 8);

  Running running;
  for (int first_key = 0; first_key < end; first_key += kKeys) {
    load_rows(k + head, first_key, tokens, shared.k);
    load_rows(v + head, first_key, tokens, shared.v);
    __syncthreads();
    float scores[kKeys / 8][4];
    score(q_parts, shared.k, scores);
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int key = first_key + 8 * n + lane % 4 * 2 + e % 2;
        const bool seen = key < tokens && (!causal || key <= query + e / 2 * 8);
        scores[n][e] = seen ? kScale * scores[n][e] : -INFINITY;
      }
    }
    running.update(scores);
    add_values(scores, shared.v, running.out);
    __syncthreads();  // before the next tile takes this one's place
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float inverse = 1 / sum_of_four(running.sum[half]);
    if (query + 8 * half >= tokens) continue;
    bf16* row = out + head + static_cast<int64_t>(query + 8 * half) * kHeadDim + lane % 4 * 2;
#pragma unroll
    for (int c = 0; c < kHeadDim / 8; ++c)
      *reinterpret_cast<uint32_t*>(row + 8 * c) =
          pair(running.out[c][2 * half] * inverse, running.out[c][2 * half + 1] * inverse);
  }
}

}  // namespace

void attention_tensor_core(const Tensor& q, const Tensor& k, const Tensor& v, bool causal, Tensor& out) {
  const int64_t heads = q.size(0), tokens = q.size(1);
  const dim3 grid(static_cast<unsigned>((tokens + kQueries - 1) / kQueries), static_cast<unsigned>(heads));
  cuda::launch({"ladder", grid, kThreads, sizeof(Shared)}, tensor_core, cuda::data<bf16>(q),
               cuda::data<bf16>(k), cuda::data<bf16>(v), causal, static_cast<int>(tokens),
               cuda::data<bf16>(out));
}

}  // namespace scca::ladder
