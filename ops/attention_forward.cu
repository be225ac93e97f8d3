// Attention forward on CUDA: FlashAttention-2's loop (Dao, arXiv 2307.08691, algorithm 1) over a plan's work
// list.
//
// A block of threads owns queries of one tile; the keys that they see move past in tiles of shared memory,
// the next of them on its way while this one is used. Scores stay in registers.
#include "ops/attention_tile.cuh"

namespace scca::cuda {
namespace {

template <class T>
struct Call {
  Rows<const T> q, k, v;
  Rows<T> out;
  Rows<float> log_sum_exp;
  Work work;
  int width;
  bool wide;
  float scale;
};

/// Sizes of a block. Registers bound the accumulators (tiles x width / 2) and scores (tiles x keys / 2) of a
/// thread to about 128; shared memory shall hold two blocks on a multiprocessor of 163 KiB.
template <class T, int width>
struct Sizes {
  static constexpr bool tensor_core = sizeof(T) == 2;
  static constexpr int tiles = tiles_of_warp(AttentionPass::forward, tensor_core, width);
  static constexpr int keys = tensor_core ? (width <= 64 ? 64 : 32) : (width <= 80 ? 32 : 16);
  static constexpr int queries = 16 * tiles * kAttentionWarps;
};

template <class T, int width>
struct Shared {
  using S = Sizes<T, width>;
  T q[S::queries * kRowStride<T, width>];
  T k[2][S::keys * kRowStride<T, width>], v[2][S::keys * kRowStride<T, width>];
  float exchange[kAttentionWarps][kExchangeFloats<T, S::tiles, S::keys>];
  typename Stream<S::keys>::Slots slots;
};

/// What is known of the rows after some of their keys: the largest score, and the sums over keys of
/// w = 2^(scale (score - largest)) (this lane's columns of them only) and of w v.
template <int tiles, int width>
struct Running {
  Fragment<tiles, width> out;
  float largest[tiles][2], sum[tiles][2];

  __device__ void clear() {
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) largest[m][half] = minus_infinity, sum[m][half] = 0;
#pragma unroll
      for (int n = 0; n < width / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) out[m][n][e] = 0;
      }
    }
  }

  /// Turns scores into weights, and brings what was summed before to the new largest score.
  template <int keys>
  __device__ void update(float scale, Fragment<tiles, keys>& scores) {
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float most = largest[m][half];
#pragma unroll
        for (int n = 0; n < keys / 8; ++n)
          most = fmaxf(most, fmaxf(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
        // A row that has met no key yet: any finite reference makes its weights 2^-inf = 0.
        const float reference = most == minus_infinity ? 0 : scale * most;
        const float shrink = exp2_approximate(fmaf(scale, largest[m][half], -reference));
        largest[m][half] = most;
        float total = sum[m][half] * shrink;
#pragma unroll
        for (int n = 0; n < keys / 8; ++n) {
#pragma unroll
          for (int odd = 0; odd < 2; ++odd) {
            float& score = scores[m][n][2 * half + odd];
            score = exp2_approximate(fmaf(scale, score, -reference));
            total += score;
          }
        }
        sum[m][half] = total;
#pragma unroll
        for (int n = 0; n < width / 8; ++n) out[m][n][2 * half] *= shrink, out[m][n][2 * half + 1] *= shrink;
      }
    }
  }

  /// The sums of each row's quad, in all its lanes.
  __device__ void finish() {
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        sum[m][half] += __shfl_xor_sync(0xffffffffu, sum[m][half], 1);
        sum[m][half] += __shfl_xor_sync(0xffffffffu, sum[m][half], 2);
      }
    }
  }
};

template <class T, int width>
__global__ void __launch_bounds__(kAttentionThreads, 2) forward(Call<T> call) {
  using S = Sizes<T, width>;
  constexpr int stride = kRowStride<T, width>;
  static_assert(sizeof(Shared<T, width>) <= kMostShared);
  Shared<T, width>& shared = *reinterpret_cast<Shared<T, width>*>(dyn_smem);
  const WorkTask task = call.work.tasks[blockIdx.x / call.work.batch];
  const int batch = static_cast<int>(blockIdx.x % call.work.batch);
  const WorkItem item = call.work.items[task.item];
  const Staying<S::tiles> mine{item};
  Stream<S::keys> stream{shared.slots, call.work.ranges + item.first_range, item.moving, true,
                         call.work.causal};
  const HeadRows<const T> keys = call.k.of(batch, task.head), values = call.v.of(batch, task.head);
  const auto load = [&](int tile) {
    const auto position = [&](int r) { return stream.position(tile, r); };
    load_rows<S::keys, width>(keys, call.width, call.wide, position, shared.k[tile % 2]);
    load_rows<S::keys, width>(values, call.width, call.wide, position, shared.v[tile % 2]);
    __pipeline_commit();
  };

  Running<S::tiles, width> running;
  running.clear();
  stream.find(0);
  stream.find(1);
  __syncthreads();
  if (item.moving > 0) {
    const auto position = [&](int r) { return r < item.count ? mine.position(r) : -1; };
    load_rows<S::queries, width>(call.q.of(batch, task.head), call.width, call.wide, position, shared.q);
    load(0);
  }
  for (int tile = 0; tile < stream.tiles(); ++tile) {
    __pipeline_wait_prior(0);
    __syncthreads();  // this tile has arrived, the one before has been used, the next one's positions are
                      // known
    stream.find(tile + 2);
    if (tile + 1 < stream.tiles()) load(tile + 1);
    const Meeting pairs = meeting(stream, tile, mine);
    if (!pairs.some) continue;
    Fragment<S::tiles, S::keys> scores = {};
    multiply_transposed<S::tiles, S::keys, width>(shared.q + mine.first_row() * stride, shared.k[tile % 2],
                                                  scores);
    if (!pairs.all) mask(stream, tile, mine, scores);
    running.template update<S::keys>(call.scale, scores);
    multiply<S::tiles, S::keys, width>(scores, shared.v[tile % 2], shared.exchange[warp()], running.out);
  }
  running.finish();
  const auto inverse = [&](int m, int half) {
    return running.sum[m][half] == 0 ? 0.0f : 1.0f / running.sum[m][half];
  };
  store_rows<T>(running.out, mine, call.width, inverse, call.out.of(batch, task.head));
  const HeadRows<float> statistic = call.log_sum_exp.of(batch, task.head);
  for (int i = 0; i < 2 * S::tiles; ++i) {
    const int m = i / 2, half = i % 2, row = mine.row(m, half);
    if (lane() % 4 != 0 || row >= item.count) continue;
    *statistic.row(mine.position(row)) =
        (call.scale * running.largest[m][half] + log2f(running.sum[m][half])) /
        kLog2e;  // -inf where it met none
  }
}

}  // namespace

void attention_forward(const AttentionInput& in, AttentionOutput& result, AttentionWorkspace& workspace) {
  const AttentionShape shape(in.q, in.k);
  visit_work(in.q.dtype(), "attention", [&]<class T>() {
    visit_head_width(shape.width, [&]<int width>() {
      const DeviceWork& list = *workspace.queries_stay;
      const Call<T> call{query_rows(shape, data<T>(in.q)),
                         key_rows(shape, data<T>(in.k)),
                         key_rows(shape, data<T>(in.v)),
                         query_rows(shape, data<T>(result.out)),
                         query_numbers(shape, data<float>(result.log_sum_exp)),
                         work_of(list, shape, in.plan),
                         static_cast<int>(shape.width),
                         wide_rows(shape.width, data<T>(in.q), data<T>(in.k), data<T>(in.v)),
                         static_cast<float>(in.scale) * kLog2e};
      launch({"attention", blocks_of(list, shape), kAttentionThreads, sizeof(Shared<T, width>)},
             forward<T, width>, call);
    });
  });
}

}  // namespace scca::cuda
