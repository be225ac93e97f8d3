// Attention backward on CUDA. For a pair: p = 2^(scale q.k - log_sum_exp) and ds = p (dout.v - dout.out);
// then dv += p dout, dk += scale ds q, dq += scale ds k (Dao, arXiv 2205.14135, appendix B.4).
//
// One pass keeps queries in place and sums dQ, another keeps keys in place and sums dK and dV, over the plan
// turned round. Each recomputes the scores: seven products for a pair where one pass with atomic additions to
// dQ needs five. In return no two blocks write the same row: the same bits every time, and no f32 copy of dQ.
#include "ops/attention_tile.cuh"

namespace scca::cuda {
namespace {

/// Where a gradient goes: to its tensor, or to f32 sums of each query head that are added up afterwards.
template <class T>
struct Gradient {
  Rows<T> rows;
  Rows<float> sums;

  __device__ bool wanted() const { return rows.data || sums.data; }
};

/// a and b stay while x and y move past: (q, dout; k, v) or (k, v; q, dout). Then for both passes scores = a
/// x^T, dp = b y^T, and the sums are `with_x` = scale ds x and, where keys stay, `with_y` = p y.
template <class T>
struct Call {
  Rows<const T> a, b, x, y;
  Rows<const float2> statistics;  // of each query: log_sum_exp log2(e), dout.out
  Gradient<T> with_x, with_y;
  Work work;
  int width;
  bool wide;
  float scale;
};

/// Sizes of a block. A thread holds tiles x width / 2 numbers of each sum, and tiles x moving / 2 of scores
/// and of dp. A second tile halves what the tensor cores ask of shared memory.
template <class T, int width, Stay stay>
struct Sizes {
  static constexpr bool tensor_core = sizeof(T) == 2;
  static constexpr int tiles =
      tiles_of_warp(stay == Stay::queries ? AttentionPass::query_gradient : AttentionPass::key_gradients,
                    tensor_core, width);
  static constexpr int moving = tensor_core || width <= 64 ? 32 : width <= 96 ? 16 : 8;
  static constexpr int staying = 16 * tiles * kAttentionWarps;
};

template <class T, int width, Stay stay>
struct Shared {
  using S = Sizes<T, width, stay>;
  T a[S::staying * kRowStride<T, width>], b[S::staying * kRowStride<T, width>];
  T x[2][S::moving * kRowStride<T, width>], y[2][S::moving * kRowStride<T, width>];
  float exchange[kAttentionWarps][kExchangeFloats<T, S::tiles, S::moving>];
  float2 statistics[2][S::moving];
  typename Stream<S::moving>::Slots slots;
  // What is the same for all threads and read once a tile: registers are for the sums.
  WorkItem item;
  HeadRows<const T> xs, ys;
  HeadRows<const float2> all_statistics;
};

/// The statistics of a fragment's queries: they are its rows where queries stay, else its columns.
template <int tiles>
struct RowStatistics {
  float2 of_row[tiles][2];

  __device__ RowStatistics(const HeadRows<const float2>& from, const Staying<tiles>& mine) {
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = mine.row(m, half);
        of_row[m][half] = row < mine.item.count ? *from.row(mine.position(row)) : float2{0, 0};
      }
    }
  }
  __device__ float2 at(int m, int, int e) const { return of_row[m][e / 2]; }
};

struct ColumnStatistics {
  const float2* of_column;

  __device__ float2 at(int, int n, int e) const { return of_column[8 * n + 2 * (lane() % 4) + e % 2]; }
};

/// scores become p, and dp becomes ds.
template <int tiles, int rows, class Statistics>
__device__ void differentiate(float scale, const Statistics& statistics, Fragment<tiles, rows>& scores,
                              Fragment<tiles, rows>& dp) {
#pragma unroll
  for (int n = 0; n < rows / 8; ++n) {
#pragma unroll
    for (int m = 0; m < tiles; ++m) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float2 statistic = statistics.at(m, n, e);
        scores[m][n][e] = exp2_approximate(fmaf(scale, scores[m][n][e], -statistic.x));
        dp[m][n][e] = scores[m][n][e] * (dp[m][n][e] - statistic.y);
      }
    }
  }
}

template <class T, int tiles, int blocks>
__device__ void store(const float (&sums)[tiles][blocks][4], const Staying<tiles>& mine, int real,
                      float scale, const Gradient<T>& to, int batch, int head) {
  const auto factor = [scale](int, int) { return scale; };
  if (to.sums.data)
    store_rows<T>(sums, mine, real, factor, to.sums.of(batch, head));
  else if (to.rows.data)
    store_rows<T>(sums, mine, real, factor, to.rows.of(batch, head));
}

template <class T, int width, Stay stay>
__global__ void __launch_bounds__(kAttentionThreads, 2) backward(Call<T> call) {
  using S = Sizes<T, width, stay>;
  constexpr bool keys_stay = stay == Stay::keys;
  static_assert(sizeof(Shared<T, width, stay>) <= kMostShared);
  Shared<T, width, stay>& shared = *reinterpret_cast<Shared<T, width, stay>*>(dyn_smem);
  const WorkTask task = call.work.tasks[blockIdx.x / call.work.batch];
  const int batch = static_cast<int>(blockIdx.x % call.work.batch);
  const WorkItem item = call.work.items[task.item];
  const Staying<S::tiles> mine{shared.item};
  Stream<S::moving> stream{shared.slots, call.work.ranges + item.first_range, item.moving, !keys_stay,
                           call.work.causal};
  if (threadIdx.x == 0) {
    shared.item = item;
    shared.xs = call.x.of(batch, task.head);
    shared.ys = call.y.of(batch, task.head);
    shared.all_statistics = call.statistics.of(batch, task.head);
  }
  const auto load = [&](int tile) {
    const auto position = [&](int r) { return stream.position(tile, r); };
    load_rows<S::moving, width>(shared.xs, call.width, call.wide, position, shared.x[tile % 2]);
    load_rows<S::moving, width>(shared.ys, call.width, call.wide, position, shared.y[tile % 2]);
    if (const int r = static_cast<int>(threadIdx.x); keys_stay && r < S::moving) {
      float2* const to = &shared.statistics[tile % 2][r];
      if (position(r) >= 0)
        __pipeline_memcpy_async(to, shared.all_statistics.row(position(r)), sizeof(float2));
      else
        *to = {0, 0};
    }
    __pipeline_commit();
  };

  Fragment<S::tiles, width> with_x = {}, with_y = {};
  stream.find(0);
  stream.find(1);
  __syncthreads();
  if (item.moving > 0) {
    const auto position = [&](int r) { return r < mine.item.count ? mine.position(r) : -1; };
    load_rows<S::staying, width>(call.a.of(batch, task.head), call.width, call.wide, position, shared.a);
    load_rows<S::staying, width>(call.b.of(batch, task.head), call.width, call.wide, position, shared.b);
    load(0);
  }
  const auto statistics_of = [&](int tile) {
    if constexpr (keys_stay)
      return ColumnStatistics{shared.statistics[tile % 2]};
    else
      return RowStatistics<S::tiles>(shared.all_statistics, mine);
  };
  auto of_queries = statistics_of(0);
  const int first_element = mine.first_row() * kRowStride<T, width>;
  for (int tile = 0; tile < stream.tiles(); ++tile) {
    __pipeline_wait_prior(0);
    __syncthreads();  // this tile has arrived, the one before has been used, the next one's positions are
                      // known
    stream.find(tile + 2);
    if (tile + 1 < stream.tiles()) load(tile + 1);
    const Meeting pairs = meeting(stream, tile, mine);
    if (!pairs.some) continue;
    Fragment<S::tiles, S::moving> scores = {}, dp = {};
    multiply_transposed<S::tiles, S::moving, width>(shared.a + first_element, shared.x[tile % 2], scores);
    if (!pairs.all) mask(stream, tile, mine, scores);
    multiply_transposed<S::tiles, S::moving, width>(shared.b + first_element, shared.y[tile % 2], dp);
    if constexpr (keys_stay) of_queries = statistics_of(tile);
    differentiate<S::tiles, S::moving>(call.scale * kLog2e, of_queries, scores, dp);
    float* const exchange = shared.exchange[warp()];
    if (keys_stay && call.with_y.wanted())
      multiply<S::tiles, S::moving, width>(scores, shared.y[tile % 2], exchange, with_y);
    if (call.with_x.wanted()) multiply<S::tiles, S::moving, width>(dp, shared.x[tile % 2], exchange, with_x);
  }
  store<T>(with_x, mine, call.width, call.scale, call.with_x, batch, task.head);
  if (keys_stay) store<T>(with_y, mine, call.width, 1, call.with_y, batch, task.head);
}

/// statistics [B, H, T] = (log_sum_exp log2(e), dout.out), a warp for each query and head. -inf, of a query
/// that sees nothing, becomes 0: all its scores are masked, and any finite number leaves them so.
template <class T>
__global__ void find_statistics(const T* out, const T* dout, const float* log_sum_exp, int64_t rows,
                                int64_t queries, int64_t heads, int width, float2* statistics) {
  for (int64_t row = grid_thread() / 32; row < rows; row += grid_size() / 32) {
    float sum = 0;
    for (int i = lane(); i < width; i += 32)
      sum = fmaf(to_float(out[row * width + i]), to_float(dout[row * width + i]), sum);
    sum = warp_sum(sum);
    if (lane() != 0) continue;
    const int64_t head = row % heads, query = row / heads % queries, batch = row / heads / queries;
    const int64_t at = (batch * heads + head) * queries + query;
    statistics[at] = {log_sum_exp[at] == minus_infinity ? 0 : log_sum_exp[at] * kLog2e, sum};
  }
}

/// gradient [B, S, G, K] = the sums [B, H, S, K] of each key head's query heads, in head order.
template <class T>
__global__ void add_heads(const float* sums, int64_t numbers, int64_t tokens, int64_t key_heads,
                          int64_t shared_by, int64_t width, T* gradient) {
  for (int64_t i = grid_thread(); i < numbers; i += grid_size()) {
    const int64_t column = i % width, key_head = i / width % key_heads;
    const int64_t token = i / width / key_heads % tokens, batch = i / width / key_heads / tokens;
    const float* from = sums + ((batch * key_heads + key_head) * shared_by * tokens + token) * width + column;
    float sum = 0;
    for (int64_t head = 0; head < shared_by; ++head) sum += from[head * tokens * width];
    gradient[i] = from_float<T>(sum);
  }
}

/// The gradient itself where each query head has its own key head, else sums beside it.
template <class T>
Gradient<T> target_of(const AttentionShape& shape, Tensor& gradient, Tensor& sums) {
  const int64_t head = shape.tokens * shape.width;
  return {key_rows(shape, sums ? nullptr : data<T>(gradient)),
          {data<float>(sums), shape.heads * head, head, static_cast<int>(shape.width), 0, 1}};
}

template <class T>
void finish(const AttentionShape& shape, Tensor& gradient, const Tensor& sums) {
  if (!sums) return;
  launch({"attention", blocks_for(gradient.numel()), kThreads}, add_heads<T>, data<float>(sums),
         gradient.numel(), shape.tokens, shape.key_heads, shape.heads / shape.key_heads, shape.width,
         data<T>(gradient));
}

template <class T, Stay stay>
void run(const AttentionShape& shape, const AttentionPlan& plan, const DeviceWork& list, Call<T> call) {
  visit_head_width(shape.width, [&]<int width>() {
    call.work = work_of(list, shape, plan);
    launch({"attention", blocks_of(list, shape), kAttentionThreads, sizeof(Shared<T, width, stay>)},
           backward<T, width, stay>, call);
  });
}

template <class T>
void backward_all(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
                  AttentionGradients& gradients, AttentionWorkspace& workspace) {
  const AttentionShape shape(in.q, in.k);
  float2* const pairs = reinterpret_cast<float2*>(data<float>(workspace.statistics));
  const int64_t rows = shape.batch * shape.queries * shape.heads;
  launch({"attention", blocks_for(32 * rows), kThreads}, find_statistics<T>, data<T>(result.out),
         data<T>(dout), data<float>(result.log_sum_exp), rows, shape.queries, shape.heads,
         static_cast<int>(shape.width), pairs);

  const auto of_query = [&](const Tensor& t) { return query_rows(shape, data<T>(t)); };
  const auto of_key = [&](const Tensor& t) { return key_rows(shape, data<T>(t)); };
  Call<T> call{};
  call.statistics = query_numbers(shape, static_cast<const float2*>(pairs));
  call.width = static_cast<int>(shape.width);
  call.wide = wide_rows(shape.width, data<T>(in.q), data<T>(in.k), data<T>(in.v), data<T>(dout));
  call.scale = static_cast<float>(in.scale);
  if (gradients.q) {
    call.a = of_query(in.q), call.b = of_query(dout), call.x = of_key(in.k), call.y = of_key(in.v);
    call.with_x.rows = query_rows(shape, data<T>(gradients.q));
    run<T, Stay::queries>(shape, in.plan, *workspace.queries_stay, call);
  }
  if (!gradients.k && !gradients.v) return;
  call.a = of_key(in.k), call.b = of_key(in.v), call.x = of_query(in.q), call.y = of_query(dout);
  call.with_x = target_of<T>(shape, gradients.k, workspace.k_sums);
  call.with_y = target_of<T>(shape, gradients.v, workspace.v_sums);
  run<T, Stay::keys>(shape, in.plan, *workspace.keys_stay, call);
  finish<T>(shape, gradients.k, workspace.k_sums);
  finish<T>(shape, gradients.v, workspace.v_sums);
}

}  // namespace

void attention_backward(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
                        AttentionGradients& gradients, AttentionWorkspace& workspace) {
  visit_work(in.q.dtype(), "attention",
             [&]<class T>() { backward_all<T>(in, result, dout, gradients, workspace); });
}

}  // namespace scca::cuda
