// The definition, row by row in f64: what the block kernels are held against, and what makes gradient checks
// exact.
#include <cmath>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "ops/attention.h"

namespace scca::cpu {
namespace {

/// f(key position) for each key that the query sees.
template <class F>
void for_each_key(const std::vector<KeySlice>& slices, int64_t query, bool causal, const F& f) {
  for (const KeySlice& keys : slices) {
    const int64_t end = keys.end_for(query, causal);
    for (int64_t i = keys.begin_for(query); i < end; ++i) f(keys.at(i));
  }
}

/// f(query position, its tile's keys) for each query of the head, from position `first` on.
template <class F>
void for_each_query(const HeadPlan& head, int64_t first, const F& f) {
  for (const Tile& tile : head) {
    for (int64_t i = tile.queries.count_below(first); i < tile.queries.count; ++i)
      f(tile.queries.at(i), tile.keys);
  }
}

double dot(const double* a, const double* b, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

/// a += factor b
void add_scaled(double* a, double factor, const double* b, int64_t width) {
  for (int64_t i = 0; i < width; ++i) a[i] += factor * b[i];
}

/// Null where it is empty.
double* f64_of(Tensor& tensor) { return tensor ? tensor.data<double>() : nullptr; }

constexpr double kNothing = -std::numeric_limits<double>::infinity();

/// scale q_i . k_j, and what the change makes of it.
ChangedScore score_of(const AttentionInput& in, const double* q, const double* k, int64_t width,
                      const ScorePlace& at) {
  const double s = in.scale * dot(q, k, width);
  return in.change && in.change->apply ? in.change->apply(s, at) : ChangedScore{s, 1};
}

/// The head's logit without a value, -inf where there is none.
double sink_of(const AttentionInput& in, int64_t head) {
  return in.change && in.change->sink_H ? in.change->sink_H.data<double>()[head] : kNothing;
}

/// With p = exp(sink - log_sum_exp), whose value is 0:  dsink = -sum over queries of p dout . out.
void sink_gradient(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
                   Tensor& dsink) {
  const AttentionShape shape(in.q, in.k);
  const double* douts = dout.data<double>();
  const double* outs = result.out.data<double>();
  const double* statistics = result.log_sum_exp.data<double>();
  double* to = dsink.data<double>();
  parallel_tasks(shape.heads, [&](int64_t head) {
    double sum = 0;
    for (int64_t b = 0; b < shape.batch; ++b)
      for (int64_t query = shape.first_query(); query < shape.tokens; ++query) {
        const double statistic = statistics[shape.statistic(b, query, head)];
        if (statistic == kNothing) continue;
        const int64_t row = shape.query_row(b, query, head);
        sum -= std::exp(sink_of(in, head) - statistic) * dot(douts + row, outs + row, shape.width);
      }
    to[head] = sum;
  });
}

}  // namespace

void attention_forward_rows(const AttentionInput& in, AttentionOutput& result) {
  const AttentionShape shape(in.q, in.k);
  const int64_t width = shape.width;
  const double* q = in.q.data<double>();
  const double* k = in.k.data<double>();
  const double* v = in.v.data<double>();
  double* out = result.out.data<double>();
  double* log_sum_exp = result.log_sum_exp.data<double>();
  parallel_tasks(shape.batch * shape.heads, [&](int64_t task) {
    const int64_t b = task / shape.heads, head = task % shape.heads, key_head = shape.key_head(head);
    const double sink = sink_of(in, head);
    for_each_query(
        *in.plan.heads[head], shape.first_query(), [&](int64_t query, const std::vector<KeySlice>& keys) {
          const int64_t row = shape.query_row(b, query, head);
          const auto score = [&](int64_t key) {
            return score_of(in, q + row, k + shape.key_row(b, key, key_head), width, {head, query, key})
                .score;
          };
          double most = sink;
          for_each_key(keys, query, in.plan.causal, [&](int64_t key) { most = std::max(most, score(key)); });
          std::fill(out + row, out + row + width, 0.0);
          double sum = most == kNothing ? 0 : std::exp(sink - most);
          for_each_key(keys, query, in.plan.causal, [&](int64_t key) {
            if (most == kNothing) return;  // every score is -inf
            const double weight = std::exp(score(key) - most);
            sum += weight;
            add_scaled(out + row, weight, v + shape.key_row(b, key, key_head), width);
          });
          for (int64_t i = 0; i < width && sum > 0; ++i) out[row + i] /= sum;
          log_sum_exp[shape.statistic(b, query, head)] =
              most + std::log(sum);  // -inf + -inf when nothing is seen
        });
  });
}

/// With p = exp(s - log_sum_exp), ds = p (dout . v - dout . out) and s' the change's derivative:
/// dq = scale sum ds s' k, dk = scale sum ds s' q, dv = sum p dout.
void attention_backward_rows(const AttentionInput& in, const AttentionOutput& result, const Tensor& dout,
                             AttentionGradients& gradients) {
  const AttentionShape shape(in.q, in.k);
  const int64_t width = shape.width, key_numbers = shape.batch * shape.tokens * shape.key_heads * width;
  const double* q = in.q.data<double>();
  const double* k = in.k.data<double>();
  const double* v = in.v.data<double>();
  const double* out = result.out.data<double>();
  const double* log_sum_exp = result.log_sum_exp.data<double>();
  const double* douts = dout.data<double>();
  double *dq = f64_of(gradients.q), *dk = f64_of(gradients.k), *dv = f64_of(gradients.v);
  if (gradients.sink_H) sink_gradient(in, result, dout, gradients.sink_H);
  if (dk) std::fill(dk, dk + key_numbers, 0.0);
  if (dv) std::fill(dv, dv + key_numbers, 0.0);
  parallel_tasks(shape.batch * shape.key_heads, [&](int64_t task) {
    const int64_t b = task / shape.key_heads, key_head = task % shape.key_heads;
    const int64_t shared_by = shape.heads / shape.key_heads;
    for (int64_t head = key_head * shared_by; head < (key_head + 1) * shared_by; ++head) {
      for_each_query(
          *in.plan.heads[head], shape.first_query(), [&](int64_t query, const std::vector<KeySlice>& keys) {
            const int64_t row = shape.query_row(b, query, head);
            const double statistic = log_sum_exp[shape.statistic(b, query, head)];
            const double delta = dot(douts + row, out + row, width);
            if (dq) std::fill(dq + row, dq + row + width, 0.0);
            if (statistic == kNothing) return;
            for_each_key(keys, query, in.plan.causal, [&](int64_t key) {
              const int64_t at = shape.key_row(b, key, key_head);
              const ChangedScore s = score_of(in, q + row, k + at, width, {head, query, key});
              const double p = std::exp(s.score - statistic);
              const double ds = p * (dot(douts + row, v + at, width) - delta) * s.derivative * in.scale;
              if (dq) add_scaled(dq + row, ds, k + at, width);
              if (dk) add_scaled(dk + at, ds, q + row, width);
              if (dv) add_scaled(dv + at, p, douts + row, width);
            });
          });
    }
  });
}

}  // namespace scca::cpu
