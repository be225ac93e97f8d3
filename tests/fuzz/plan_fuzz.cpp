// A plan file. Promise: it comes back from its own JSON, and attention over it is what plain loops over
// sees() give.
#include <cmath>

#include "core/random.h"
#include "nn/json.h"
#include "nn/patterns/plan_json.h"
#include "ops/attention.h"
#include "tests/fuzz/fuzz.h"

namespace scca::test {
namespace {

constexpr int64_t kWidth = 2;

/// Numbers in (-1, 1), a function of the seed alone.
std::vector<double> numbers(int64_t count, uint64_t seed) {
  std::vector<double> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back(2 * uniform01(philox(seed, static_cast<uint64_t>(i))[0]) - 1);
  return all;
}

/// Attention of one query and head by the definition; zero where it sees nothing.
double component(const AttentionPlan& plan, const std::vector<double>& q, const std::vector<double>& k,
                 const std::vector<double>& v, int64_t head, int64_t query, int64_t c) {
  const int64_t heads = static_cast<int64_t>(plan.heads.size());
  const auto row = [&](int64_t position) { return static_cast<size_t>((position * heads + head) * kWidth); };
  double sum = 0, total = 0;
  for (int64_t key = 0; key < plan.tokens; ++key) {
    if (!sees(plan, head, query, key)) continue;
    double score = 0;
    for (size_t i = 0; i < kWidth; ++i) score += q[row(query) + i] * k[row(key) + i];
    const double weight = std::exp(score / std::sqrt(static_cast<double>(kWidth)));
    sum += weight * v[row(key) + static_cast<size_t>(c)];
    total += weight;
  }
  return total > 0 ? sum / total : 0;
}

void check_attention(const PlanPtr& plan) {
  const int64_t heads = static_cast<int64_t>(plan->heads.size());
  const Shape shape{1, plan->tokens, heads, kWidth};
  const auto q = numbers(numel(shape), 1), k = numbers(numel(shape), 2), v = numbers(numel(shape), 3);
  const std::vector<double> out =
      attention(Tensor::of(q, shape), Tensor::of(k, shape), Tensor::of(v, shape), plan).to_vector<double>();
  size_t at = 0;
  for (int64_t query = 0; query < plan->tokens; ++query)
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t c = 0; c < kWidth; ++c, ++at) {
        const double wanted = component(*plan, q, k, v, head, query, c);
        promise(std::abs(out[at] - wanted) < 1e-12, "head ", head, " query ", query, ": attention gives ",
                out[at], ", plain loops ", wanted);
      }
}

void take(std::string_view input) {
  const Json json = parse_json(input, "plan.json");
  const PlanPtr plan = plan_from_json(json, "plan.json");
  validate(*plan);
  const int64_t heads = static_cast<int64_t>(plan->heads.size());
  if (plan->tokens > 48 || heads > 4) return;  // the loops are quadratic
  const Json printed = plan_to_json(*plan);
  promise(plan_to_json(*plan_from_json(printed, "again")) == printed, "does not come back from its own JSON");
  check_attention(plan);
}

const RegisterFuzz line("plan", take);

}  // namespace
}  // namespace scca::test
