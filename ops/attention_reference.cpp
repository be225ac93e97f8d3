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

}  // namespace

void attention_forward_rows(const AttentionShape& shape, const double* q, const double* k, const double* v,
                            const AttentionPlan& plan, double scale, double* out, double* log_sum_exp) {
  const int64_t width = shape.width;
  parallel_tasks(shape.batch * shape.heads, [&](int64_t task) {
    const int64_t b = task / shape.heads, head = task % shape.heads, key_head = shape.key_head(head);
    for_each_query(
        *plan.heads[head], shape.first_query(), [&](int64_t query, const std::vector<KeySlice>& keys) {
          const int64_t row = shape.query_row(b, query, head);
          const auto score = [&](int64_t key) {
            return scale * dot(q + row, k + shape.key_row(b, key, key_head), width);
          };
          double most = -std::numeric_limits<double>::infinity(), sum = 0;
          for_each_key(keys, query, plan.causal, [&](int64_t key) { most = std::max(most, score(key)); });
          std::fill(out + row, out + row + width, 0.0);
          for_each_key(keys, query, plan.causal, [&](int64_t key) {
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

/// With p = exp(s - log_sum_exp), ds = p (dout . v - dout . out):
/// dq = scale sum ds k, dk = scale sum ds q, dv = sum p dout.
void attention_backward_rows(const AttentionShape& shape, const double* q, const double* k, const double* v,
                             const double* out, const double* log_sum_exp, const AttentionPlan& plan,
                             double scale, const double* dout, double* dq, double* dk, double* dv) {
  const int64_t width = shape.width, key_numbers = shape.batch * shape.tokens * shape.key_heads * width;
  if (dk) std::fill(dk, dk + key_numbers, 0.0);
  if (dv) std::fill(dv, dv + key_numbers, 0.0);
  parallel_tasks(shape.batch * shape.key_heads, [&](int64_t task) {
    const int64_t b = task / shape.key_heads, key_head = task % shape.key_heads;
    const int64_t shared_by = shape.heads / shape.key_heads;
    for (int64_t head = key_head * shared_by; head < (key_head + 1) * shared_by; ++head) {
      for_each_query(*plan.heads[head], shape.first_query(),
                     [&](int64_t query, const std::vector<KeySlice>& keys) {
                       const int64_t row = shape.query_row(b, query, head);
                       const double statistic = log_sum_exp[shape.statistic(b, query, head)];
                       const double delta = dot(dout + row, out + row, width);
                       if (dq) std::fill(dq + row, dq + row + width, 0.0);
                       for_each_key(keys, query, plan.causal, [&](int64_t key) {
                         const int64_t at = shape.key_row(b, key, key_head);
                         const double p = std::exp(scale * dot(q + row, k + at, width) - statistic);
                         const double ds = p * (dot(dout + row, v + at, width) - delta);
                         if (dq) add_scaled(dq + row, scale * ds, k + at, width);
                         if (dk) add_scaled(dk + at, scale * ds, q + row, width);
                         if (dv) add_scaled(dv + at, p, dout + row, width);
                       });
                     });
    }
  });
}

}  // namespace scca::cpu
