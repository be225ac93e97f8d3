#include <cmath>
#include <deque>

#include "core/parallel.h"
#include "ops/attention.h"
#include "ops/attention_block.h"
#include "ops/attention_key_gradients.h"

namespace scca::cpu {
namespace {

using simd::floats;

template <class T>
struct Arguments {
  AttentionShape shape;
  bool causal;
  float scale;
  const T *q, *k, *v, *out, *dout;
  const float* log_sum_exp;
  T* dq;  // null where no gradient is wanted
};

/// Queries whose scores against a block of keys are kept at a time.
constexpr int64_t kPanel = 96;
static_assert(kPanel % kLanes == 0 && kMaxQueries % kPanel == 0);

/// One query head of one batch row: what its blocks of queries share.
struct Head {
  Head(int64_t batch, int64_t head, KeyGradients gradients, const AttentionPlan& plan,
       const AttentionShape& shape)
      : batch(batch),
        head(head),
        gradients(gradients),
        turns(*plan.heads[head], shape.first_query(), shape.tokens, plan.causal) {}

  const int64_t batch, head;
  const KeyGradients gradients;
  BlockTurns turns;
};

/// What a thread does of a head. A block of queries stays in place while the keys that it sees come by in
/// blocks. For a pair: p = 2^(s - log_sum_exp), dp = dout . v, ds = p (dp - dout . out); then dv += p dout,
/// dq += scale ds k, dk += scale ds q.
template <class T>
class HeadBackward {
  using F = FactorOf<T>;
  static constexpr int64_t kFactorTerms = kTerms<F>;
  static constexpr bool kPaired = kFactorTerms == 2;

 public:
  HeadBackward(const Arguments<T>& args, Head& head)
      : args_(args),
        batch_(head.batch),
        head_(head.head),
        gradients_(head.gradients),
        turns_(head.turns),
        width_(args.shape.width),
        length_(width_ / kFactorTerms),
        padded_((width_ + kLanes - 1) / kLanes * kLanes) {
    Scratch scratch(kMaxQueries * (3 * width_ + 2 * padded_ + 2) + kMaxKeys * (4 * width_ + 2 * padded_) +
                    2 * kMaxKeys * kPanel + 3 * kMaxKeys * kLanes);
    q_rows_ = scratch.take<F>(kMaxQueries / kFactorTerms * padded_);
    dout_rows_ = scratch.take<F>(kMaxQueries / kFactorTerms * padded_);
    q_transposed_ = scratch.take<F>(kMaxQueries * length_);
    dout_transposed_ = scratch.take<F>(kMaxQueries * length_);
    dq_transposed_ = scratch.take(kMaxQueries * width_);
    statistic_ = scratch.take(kMaxQueries);
    delta_ = scratch.take(kMaxQueries);
    weights_ = scratch.take<F>(kMaxKeys * kPanel / kFactorTerms);
    dscores_ = scratch.take<F>(kMaxKeys * kPanel / kFactorTerms);
    dk_block_ = scratch.take(kMaxKeys * padded_);
    dv_block_ = scratch.take(kMaxKeys * padded_);
    k_block_ = scratch.take<F>(kMaxKeys * length_);
    v_block_ = scratch.take<F>(kMaxKeys * length_);
    if constexpr (kPaired) {
      k_across_ = scratch.take<F>(kMaxKeys / kFactorTerms * width_);
      dscores_across_ = scratch.take<F>(kMaxKeys / kFactorTerms * kLanes);
      scores_ = scratch.take(kMaxKeys * kLanes);
      dweights_ = scratch.take(kMaxKeys * kLanes);
    }
  }

  /// Takes blocks until none is left.
  void run() {
    while (const auto taken = turns_.take()) run_block(*taken);
  }

 private:
  void run_block(const BlockTurns::Taken& taken) {
    const Slice& queries = taken.block.queries;
    const int32_t* turn = taken.turns.data();
    load_queries(queries);
    KeyWalk walk(taken.block, args_.causal);
    for (KeyBlock block; walk.next(block); turn += block.count) {
      load_keys<T, F>(args_.shape, batch_, args_.shape.key_head(head_), block, args_.k, args_.v,
                      {.k = k_block_, .k_across = k_across_, .v = v_block_});
      ask_ahead(block, walk, taken);
      std::fill(dk_block_, dk_block_ + block.count * padded_, 0.0f);
      std::fill(dv_block_, dv_block_ + block.count * padded_, 0.0f);
      for (int64_t first = 0; first < queries.count; first += kPanel) run_panel(block, first, queries.count);
      gradients_.add(block, {.dk = dk_block_, .dv = dv_block_, .row = padded_}, args_.scale, turn, turns_);
    }
    if (args_.dq) store_dq(queries);
  }

  /// Asks for what is touched after this block of keys' products.
  void ask_ahead(const KeyBlock& block, const KeyWalk& walk, const BlockTurns::Taken& taken) {
    const AttentionShape& shape = args_.shape;
    const auto keys_of = [&](const KeyWalk& next) {
      return ask_for_keys(shape, batch_, shape.key_head(head_), next, args_.k, args_.v, ahead_);
    };
    ahead_.clear();
    gradients_.ask_for(block, ahead_);
    if (keys_of(walk)) return;
    if (args_.dq) ask_for_queries(shape, batch_, head_, taken.block.queries, args_.dq, ahead_);
    if (!taken.following) return;
    for (const T* rows : {args_.q, args_.dout, args_.out})
      ask_for_queries(shape, batch_, head_, taken.following->queries, rows, ahead_);
    keys_of(KeyWalk(*taken.following, args_.causal));
  }

  void run_panel(const KeyBlock& block, int64_t first, int64_t count) {
    const int64_t last = std::min(first + kPanel, count);
    if (block.seen_by(first, last).first == block.count) return;
    for (int64_t query = first; query < last; query += kLanes) score_group(block, query, query - first);
    if (gradients_.wants_dv()) sum_over_queries(block, first, last, weights_, dout_rows_, dv_block_);
    if (gradients_.wants_dk()) sum_over_queries(block, first, last, dscores_, q_rows_, dk_block_);
  }

  void load_queries(const Slice& queries) {
    const AttentionShape& shape = args_.shape;
    const int64_t some = (queries.count + kLanes - 1) / kLanes * kLanes;  // the last group may be short
    const int64_t first = shape.query_row(batch_, queries.start, head_);
    const int64_t stride = queries.step * shape.heads * width_;
    if (queries.count % kLanes != 0 || padded_ != width_) {
      std::fill(q_rows_, q_rows_ + some / kFactorTerms * padded_, F{});
      std::fill(dout_rows_, dout_rows_ + some / kFactorTerms * padded_, F{});
    }
    std::fill(dq_transposed_, dq_transposed_ + some * width_, 0.0f);
    // A lane without a query: its weights are 2^(0 - inf) = 0.
    std::fill(statistic_, statistic_ + some, -kNegativeInfinity);
    std::fill(delta_, delta_ + some, 0.0f);
    for (int64_t i = 0; i < queries.count; ++i) {
      const int64_t row = first + i * stride;
      if (i % kFactorTerms == 0) {
        const auto across = [&](const T* rows, F* factors) {
          const T* const second = i + 1 < queries.count ? rows + row + stride : nullptr;
          load_across(rows + row, second, width_, factors + i / kFactorTerms * padded_);
        };
        across(args_.q, q_rows_);
        across(args_.dout, dout_rows_);
      }
      delta_[i] = dot(args_.out + row, args_.dout + row, width_);
      const float seen = args_.log_sum_exp[shape.statistic(batch_, queries.at(i), head_)];
      // -inf is a query that sees nothing: all its scores are masked, and any finite value leaves them so.
      statistic_[i] = seen == kNegativeInfinity ? 0.0f : seen * static_cast<float>(kLog2E);
    }
    for (int64_t query = 0; query < queries.count; query += kLanes) {
      const int64_t lanes = std::min(kLanes, queries.count - query), from = first + query * stride;
      transpose_in(args_.q + from, stride, lanes, width_, score_factor(), q_transposed_ + query * length_);
      transpose_in(args_.dout + from, stride, lanes, width_, 1, dout_transposed_ + query * length_);
    }
  }

  /// Scores are counted in log 2. Floats of q have this factor, scores of pairs take it later.
  float score_factor() const { return args_.scale * static_cast<float>(kLog2E); }

  /// The weights and score gradients of one group of queries, and what they add to dq.
  void score_group(const KeyBlock& block, int64_t query, int64_t column) {
    constexpr int64_t panel = kPanel / kFactorTerms;
    F *weights = weights_ + column / kFactorTerms, *dscores = dscores_ + column / kFactorTerms;
    const auto [seen, end] = block.seen_by(query, query + kLanes);
    const int64_t begin = seen / kFactorTerms * kFactorTerms, keys = end - begin, at = query * length_;
    // Sums over queries take several groups in one go: where this one sees nothing, it adds nothing.
    for (const auto& [from, to] : {std::pair{int64_t{0}, begin}, std::pair{end, block.count}}) {
      for (int64_t key = from; key < to; ++key) {
        std::fill(weights + key * panel, weights + key * panel + kLanes / kFactorTerms, F{});
        std::fill(dscores + key * panel, dscores + key * panel + kLanes / kFactorTerms, F{});
      }
    }
    if (keys == 0) return;
    // Where scores and dout . v stand until they are weights and score gradients: floats need no other place.
    constexpr int64_t row = kPaired ? kLanes : kPanel;
    float* const scores = kPaired ? scores_ : reinterpret_cast<float*>(weights);
    float* const dweights = kPaired ? dweights_ : reinterpret_cast<float*>(dscores);
    multiply<false, F>(
        {.rows = keys, .depth = length_}, {.data = k_block_ + begin * length_, .row = length_, .step = 1},
        {.data = q_transposed_ + at, .row = kLanes}, {.data = scores + begin * row, .row = row}, ahead_);
    if (!block.whole) mask(block, begin, end, query, scores, row);
    multiply<false, F>(
        {.rows = keys, .depth = length_}, {.data = v_block_ + begin * length_, .row = length_, .step = 1},
        {.data = dout_transposed_ + at, .row = kLanes}, {.data = dweights + begin * row, .row = row}, ahead_);
    F* const across = kPaired ? dscores_across_ : dscores + begin * panel;
    for (int64_t half = 0; half < kLanes; half += simd::kWidth) {
      const floats statistic = simd::load(statistic_ + query + half);
      const floats delta = simd::load(delta_ + query + half);
      for (int64_t key = begin; key < end; key += kFactorTerms) {
        floats ds[kFactorTerms] = {};
        for (int64_t term = 0; term < std::min(kFactorTerms, end - key); ++term) {
          const int64_t pair = (key + term) * row + half, to = (key + term) * panel + half / kFactorTerms;
          const floats score = simd::load(scores + pair);
          const floats p = simd::exp2_softmax(
              kPaired ? simd::fma(score, simd::broadcast(score_factor()), -statistic) : score - statistic);
          ds[term] = p * (simd::load(dweights + pair) - delta);
          store_factors(weights + to, p);
          store_factors(dscores + to, ds[term]);
        }
        if constexpr (kPaired)
          simd::store(across + (key - begin) / kFactorTerms * kLanes + half,
                      simd::round_to_pairs(ds[0], ds[1]));
      }
    }
    if (args_.dq)
      multiply<true, F>({.rows = width_, .depth = (keys + kFactorTerms - 1) / kFactorTerms},
                        {.data = k_rows_across() + begin / kFactorTerms * width_, .row = 1, .step = width_},
                        {.data = across, .row = row},
                        {.data = dq_transposed_ + query * width_, .row = kLanes}, ahead_);
  }

  /// Neighbouring queries of one key, as sums over queries read them.
  static void store_factors(F* to, floats v) {
    if constexpr (kPaired)
      simd::store_rounded(&to->first, v);
    else
      simd::store(to, v);
  }

  const F* k_rows_across() const { return kPaired ? k_across_ : k_block_; }

  /// sums[key] += sum over the panel's queries of pairs[key][query] rows[query].
  void sum_over_queries(const KeyBlock& block, int64_t begin, int64_t end, const F* pairs, const F* rows,
                        float* sums) {
    for (int64_t key = 0; key < block.count; key += kTileRows) {
      const int64_t some = std::min<int64_t>(kTileRows, block.count - key);
      const int64_t seen =
          std::max<int64_t>(begin, *std::min_element(block.first + key, block.first + key + some));
      const int64_t last =
          std::min<int64_t>(end, *std::max_element(block.last + key, block.last + key + some));
      if (seen >= last) continue;
      const int64_t first =
          seen / kFactorTerms;  // in factors; a pair's query that sees nothing has no weight
      for (int64_t column = 0; column < padded_; column += kLanes)
        multiply_rows<true, F>({.rows = some, .depth = (last + kFactorTerms - 1) / kFactorTerms - first},
                               {.data = pairs + key * kPanel / kFactorTerms + first - begin / kFactorTerms,
                                .row = kPanel / kFactorTerms,
                                .step = 1},
                               {.data = rows + first * padded_ + column, .row = padded_},
                               {.data = sums + key * padded_ + column, .row = padded_});
      ahead_.step(kLinesAhead);
    }
  }

  void store_dq(const Slice& queries) {
    float scale[kLanes];
    std::fill(scale, scale + kLanes, args_.scale);
    const int64_t stride = queries.step * args_.shape.heads * width_;
    T* const to = args_.dq + args_.shape.query_row(batch_, queries.start, head_);
    for (int64_t query = 0; query < queries.count; query += kLanes)
      transpose_out(dq_transposed_ + query * width_, std::min(kLanes, queries.count - query), width_, scale,
                    to + query * stride, stride);
  }

  const Arguments<T>& args_;
  const int64_t batch_, head_;
  const KeyGradients& gradients_;
  BlockTurns& turns_;
  RowsAhead ahead_;
  // length_: a row's factors. padded_: rows that multiply() can take as columns, zeros at the end
  const int64_t width_, length_, padded_;
  F *q_rows_, *dout_rows_;              // [query / kFactorTerms][padded]
  F *q_transposed_, *dout_transposed_;  // [group][length][lanes]
  float* dq_transposed_;                // [group][width][lanes]
  float *statistic_, *delta_;           // [query]
  F *weights_, *dscores_;               // [key][panel / kFactorTerms]
  float *dk_block_, *dv_block_;         // [key][padded]
  F *k_block_, *v_block_;               // [key][length]
  // Of pairs alone, which cannot stand where they were made from and are laid out by sum:
  F *k_across_ = nullptr,
    *dscores_across_ = nullptr;                    // [key / kFactorTerms][width], [key / kFactorTerms][lanes]
  float *scores_ = nullptr, *dweights_ = nullptr;  // [key][lanes]
};

template <class T>
void backward(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
              AttentionGradients& d, AttentionWorkspace& workspace) {
  const AttentionShape shape(in.q, in.k);
  const Arguments<T> args{shape,
                          in.plan.causal,
                          static_cast<float>(in.scale),
                          in.q.data<T>(),
                          in.k.data<T>(),
                          in.v.data<T>(),
                          result.out.data<T>(),
                          dout.data<T>(),
                          result.log_sum_exp.data<float>(),
                          d.q ? d.q.data<T>() : nullptr};
  KeyGradientSums<T> sums(shape, d, workspace);
  std::deque<Head> heads;
  for (int64_t batch = 0; batch < shape.batch; ++batch)
    for (int64_t head = 0; head < shape.heads; ++head)
      heads.emplace_back(batch, head, sums.of(batch, head), in.plan, shape);
  parallel_chains(
      std::ssize(heads), [&](int64_t i) { return heads[i].turns.left(); },
      [&](int64_t i) { HeadBackward<T>(args, heads[i]).run(); });
  parallel_tasks(std::ssize(heads),
                 [&](int64_t i) { heads[i].gradients.finish(heads[i].turns, shape.tokens); });
  sums.finish();
}

}  // namespace

void attention_backward(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
                        AttentionGradients& gradients, AttentionWorkspace& workspace) {
  switch (in.q.dtype()) {
    case DType::f32:
      return backward<float>(in, result, dout, gradients, workspace);
    case DType::bf16:
      return backward<bf16>(in, result, dout, gradients, workspace);
    default:
      return attention_backward_rows(in, result, dout, gradients);
  }
}

}  // namespace scca::cpu
