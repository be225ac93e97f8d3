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
/// and of dp. Two tiles read each moving row for 32 rows at once, and halve what the tensor cores ask of
/// shared memory.
template <class T, int width, Stay stay>
struct Sizes {
  static constexpr bool tensor_core = sizeof(T) == 2;
  static constexpr int tiles = tensor_core && width <= (stay == Stay::queries ? 96 : 64) ? 2 : 1;
  static constexpr int moving = tensor_core || width <= 64 ? 32 : width <= 96 ? 16 : 8;
  static constexpr int staying = 16 * tiles * kAttentionWarps;
};

template <class T, int width, Stay stay>
struct Shared {
  using S = Sizes<T, width, stay>;
  T a[S::staying * row_stride<T, width>], b[S::staying * row_stride<T, width>];
  T x[2][S::moving * row_stride<T, width>], y[2][S::moving * row_stride<T, width>];
  float exchange[kAttentionWarps][exchange_floats<T, S::tiles, S::moving>];
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
  const int first_element = mine.first_row() * row_stride<T, width>;
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
struct KeyGradient {
  KeyGradient(const AttentionShape& shape, Tensor& gradient) : shape_(shape), gradient_(gradient) {
    if (gradient && shape.heads != shape.key_heads)
      sums_ = Tensor::empty({shape.batch, shape.heads, shape.tokens, shape.width}, DType::f32, Device::cuda);
  }

  Gradient<T> target() {
    const int64_t head = shape_.tokens * shape_.width;
    return {key_rows(shape_, sums_ ? nullptr : data<T>(gradient_)),
            {data<float>(sums_), shape_.heads * head, head, static_cast<int>(shape_.width), 0, 1}};
  }

  void finish() {
    if (!sums_) return;
    launch({"attention", blocks_for(gradient_.numel()), kThreads}, add_heads<T>, data<float>(sums_),
           gradient_.numel(), shape_.tokens, shape_.key_heads, shape_.heads / shape_.key_heads, shape_.width,
           data<T>(gradient_));
  }

 private:
  const AttentionShape& shape_;
  Tensor& gradient_;
  Tensor sums_;
};

template <class T, Stay stay>
void run(const AttentionShape& shape, const AttentionPlan& plan, Call<T> call) {
  visit_head_width(shape.width, [&]<int width>() {
    const auto list =
        work_on_device(plan, shape.first_query(), stay, Sizes<T, width, stay>::staying, Device::cuda);
    call.work = work_of(*list, shape, plan);
    launch({"attention", blocks_of(*list, shape), kAttentionThreads, sizeof(Shared<T, width, stay>)},
           backward<T, width, stay>, call);
  });
}

template <class T>
void backward_all(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
                  const Tensor& log_sum_exp, const AttentionPlan& plan, double scale, const Tensor& dout,
                  Tensor& dq, Tensor& dk, Tensor& dv) {
  const AttentionShape shape(q, k);
  Tensor statistics = Tensor::empty({shape.batch, shape.heads, shape.queries, 2}, DType::f32, Device::cuda);
  float2* const pairs = reinterpret_cast<float2*>(data<float>(statistics));
  const int64_t rows = shape.batch * shape.queries * shape.heads;
  launch({"attention", blocks_for(32 * rows), kThreads}, find_statistics<T>, data<T>(out), data<T>(dout),
         data<float>(log_sum_exp), rows, shape.queries, shape.heads, static_cast<int>(shape.width), pairs);

  const auto of_query = [&](const Tensor& t) { return query_rows(shape, data<T>(t)); };
  const auto of_key = [&](const Tensor& t) { return key_rows(shape, data<T>(t)); };
  Call<T> call{};
  call.statistics = query_numbers(shape, static_cast<const float2*>(pairs));
  call.width = static_cast<int>(shape.width);
  call.wide = wide_rows(shape.width, data<T>(q), data<T>(k), data<T>(v), data<T>(dout));
  call.scale = static_cast<float>(scale);
  if (dq) {
    call.a = of_query(q), call.b = of_query(dout), call.x = of_key(k), call.y = of_key(v);
    call.with_x.rows = query_rows(shape, data<T>(dq));
    run<T, Stay::queries>(shape, plan, call);
  }
  if (!dk && !dv) return;
  KeyGradient<T> dk_sums(shape, dk), dv_sums(shape, dv);
  call.a = of_key(k), call.b = of_key(v), call.x = of_query(q), call.y = of_query(dout);
  call.with_x = dk_sums.target(), call.with_y = dv_sums.target();
  run<T, Stay::keys>(shape, plan, call);
  dk_sums.finish();
  dv_sums.finish();
}

}  // namespace

void attention_backward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
                        const Tensor& log_sum_exp, const AttentionPlan& plan, double scale,
                        const Tensor& dout, Tensor& dq, Tensor& dk, Tensor& dv) {
  visit_work(q.dtype(), "attention",
             [&]<class T>() { backward_all<T>(q, k, v, out, log_sum_exp, plan, scale, dout, dq, dk, dv); });
}

}  // namespace scca::cuda
