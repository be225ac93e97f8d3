// The kernel for one query, which decoding takes, against the f64 rows.
#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "ops/attention.h"
#include "tests/op_check.h"
#include "tests/ops/attention_plans.h"

using namespace scca;
using namespace scca::test;

namespace {

struct Result {
  Tensor out, log_sum_exp;
};

Result forward(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionPlan& plan) {
  const DType statistics = q.dtype() == DType::f64 ? DType::f64 : DType::f32;
  AttentionOutput result{Tensor::empty(q.shape(), q.dtype()),
                         Tensor::empty({q.size(0), q.size(2), q.size(1)}, statistics)};
  const AttentionInput in{q, k, v, plan, 1 / std::sqrt(static_cast<double>(q.size(3)))};
  AttentionWorkspace workspace;
  cpu::attention_forward(in, result, workspace);
  return {result.out, result.log_sum_exp};
}

Tensor wide(const Tensor& t) { return Tensor::of<double>(values(t), t.shape()); }

/// The last position's query over all tokens of the plan.
void check_row(const PlanPtr& plan, int64_t batch, int64_t key_heads, int64_t width, DType dtype) {
  const auto heads = static_cast<int64_t>(plan->heads.size());
  CAPTURE(plan->tokens);
  CAPTURE(width);
  CAPTURE(std::string(name_of(dtype)));
  const Tensor q = random_tensor({batch, 1, heads, width}, dtype, 1, -2, 2);
  const Shape keys{batch, plan->tokens, key_heads, width};
  const Tensor k = random_tensor(keys, dtype, 2, -2, 2), v = random_tensor(keys, dtype, 3);
  const Result row = forward(q, k, v, *plan), exact = forward(wide(q), wide(k), wide(v), *plan);
  // f32's rounding of scores up to 4 width / sqrt(width), which moves a weight as much, and of the sums;
  // bf16's of the result
  const double score =
      4 * std::sqrt(static_cast<double>(width)) * static_cast<double>(width) * 0x1p-24 + 4e-6;
  CHECK(max_difference(row.out, exact.out) <= score + (dtype == DType::bf16 ? 0x1p-8 : 0));
  const std::vector<double> a = values(row.log_sum_exp), b = values(exact.log_sum_exp);
  for (size_t i = 0; i < a.size(); ++i)
    CHECK((a[i] == b[i] || std::abs(a[i] - b[i]) <= score * (1 + std::abs(b[i]))));
}

}  // namespace

TEST_CASE("attention of one query: every kind of plan, width, group and length") {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int64_t tokens : {1, 2, 17, 31, 129, 1000}) {
      check_row(full_plan(tokens, 6), 2, 2, 64, dtype);
      check_row(full_plan(tokens, 3, false), 1, 3, 12, dtype);
      check_row(shifted_chunks(tokens, 4, 33), 1, 2, 20,
                dtype);  // heads of a group that look at other keys; none
      check_row(residues(tokens, 4, 3), 2, 1, 32, dtype);
      check_row(window(tokens, 2, 31), 1, 1, 2, dtype);
      check_row(window(tokens, 2, 31, false), 1, 2, 80, dtype);
    }
    check_row(full_plan(20000, 9), 1, 3, 64, dtype);  // many pieces, of the greatest length
    check_row(full_plan(300, 4), 1, 1, 256, dtype);
  }
}

TEST_CASE("attention of one query: who sees nothing has zeros") {
  const PlanPtr plan = shifted_chunks(40, 3, 33);  // the last token is in chunk 1; head 2 sees chunk -1
  const Tensor q = random_tensor({1, 1, 3, 8}, DType::f32, 1),
               k = random_tensor({1, 40, 3, 8}, DType::f32, 2);
  const Result row = forward(q, k, k, *plan);
  for (int64_t i = 0; i < 8; ++i) CHECK(row.out.data<float>()[16 + i] == 0);
  CHECK(row.log_sum_exp.data<float>()[2] == -INFINITY);
  CHECK(std::isfinite(row.log_sum_exp.data<float>()[1]));
}

TEST_CASE("attention of one query: large scores, and the same bits at any thread count") {
  const PlanPtr plan = full_plan(3000, 4);
  const Tensor q = random_tensor({1, 1, 4, 64}, DType::f32, 1, -60, 60),
               k = random_tensor({1, 3000, 2, 64}, DType::f32, 2, -60, 60),
               v = random_tensor({1, 3000, 2, 64}, DType::f32, 3);
  const int threads = omp_get_max_threads();
  std::vector<Tensor> outs;
  for (const int count : {1, 2, 3, 7}) {
    omp_set_num_threads(count);
    outs.push_back(forward(q, k, v, *plan).out);
  }
  omp_set_num_threads(threads);
  for (const Tensor& out : outs) CHECK(same_bits(out, outs[0]));
  for (const double x : values(outs[0])) CHECK(std::abs(x) <= 1);
}
