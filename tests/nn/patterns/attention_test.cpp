// Every registered pattern through the real kernels: what its predicate says a query sees is what attention
// computes with, forward and backward.
#include "ops/attention.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd.h"
#include "nn/patterns/pattern.h"
#include "nn/patterns/spec.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

constexpr int64_t kBatch = 3, kHeads = 9, kKeyHeads = 3, kWidth = 6;

struct Results {
  std::vector<double> out, dq, dk, dv;
};

using See = std::function<bool(int64_t head, int64_t query, int64_t key)>;

/// softmax(q k^T / sqrt K) v and its gradients for d out, pair by pair in f64. A query that sees no key adds
/// nothing to any of them.
Results by_pairs(const std::vector<std::vector<double>>& in, int64_t tokens, const See& sees) {
  const auto &q = in[0], &k = in[1], &v = in[2], &dout = in[3];
  Results r{std::vector<double>(q.size()), std::vector<double>(q.size()), std::vector<double>(k.size()),
            std::vector<double>(v.size())};
  const auto dot = [](const double* a, const double* b) {
    double sum = 0;
    for (int64_t c = 0; c < kWidth; ++c) sum += a[c] * b[c];
    return sum;
  };
  const double scale = 1 / std::sqrt(static_cast<double>(kWidth));
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t h = 0; h < kHeads; ++h) {
      for (int64_t i = 0; i < tokens; ++i) {
        const auto row = static_cast<size_t>(((b * tokens + i) * kHeads + h) * kWidth);
        std::vector<size_t> keys;
        std::vector<double> weight;
        double total = 0;
        for (int64_t j = 0; j <= i; ++j) {
          if (!sees(h, i, j)) continue;
          keys.push_back(
              static_cast<size_t>(((b * tokens + j) * kKeyHeads + h / (kHeads / kKeyHeads)) * kWidth));
          weight.push_back(std::exp(scale * dot(&q[row], &k[keys.back()])));
          total += weight.back();
        }
        for (size_t n = 0; n < keys.size(); ++n)
          for (size_t c = 0; c < kWidth; ++c) r.out[row + c] += weight[n] / total * v[keys[n] + c];
        const double mean = dot(&dout[row], &r.out[row]);  // sum over keys of p dp
        for (size_t n = 0; n < keys.size(); ++n) {
          const double p = weight[n] / total, ds = scale * p * (dot(&dout[row], &v[keys[n]]) - mean);
          for (size_t c = 0; c < kWidth; ++c) {
            r.dq[row + c] += ds * k[keys[n] + c];
            r.dk[keys[n] + c] += ds * q[row + c];
            r.dv[keys[n] + c] += p * dout[row + c];
          }
        }
      }
    }
  }
  return r;
}

Results by_kernel(const std::vector<std::vector<double>>& in, int64_t tokens, const PlanPtr& plan,
                  DType dtype) {
  const auto tensor = [&](size_t i) {
    const Shape shape{kBatch, tokens, i == 0 || i == 3 ? kHeads : kKeyHeads, kWidth};
    if (dtype == DType::f64) return Tensor::of<double>(in[i], shape);
    return Tensor::of<float>({in[i].begin(), in[i].end()}, shape);
  };
  Tensor q = tensor(0), k = tensor(1), v = tensor(2);
  for (Tensor* t : {&q, &k, &v}) t->set_requires_grad();
  const Tensor out = attention(q, k, v, plan);
  backward(out, tensor(3));
  return {values(out), values(q.grad()), values(k.grad()), values(v.grad())};
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < b.size() && i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    worst = d <= worst ? worst : std::isnan(d) ? INFINITY : d;
  }
  return worst;
}

/// Of the rows that see nothing: how many, and the largest of what must be zero in them.
std::pair<int64_t, double> empty_rows(const Results& r, int64_t tokens, const See& sees) {
  int64_t count = 0;
  double largest = 0;
  for (int64_t h = 0; h < kHeads; ++h) {
    for (int64_t i = 0; i < tokens; ++i) {
      int64_t seen = 0;
      for (int64_t j = 0; j <= i; ++j) seen += sees(h, i, j);
      if (seen > 0) continue;
      ++count;
      for (int64_t b = 0; b < kBatch; ++b) {
        const auto row = static_cast<size_t>(((b * tokens + i) * kHeads + h) * kWidth);
        for (size_t c = 0; c < kWidth; ++c)
          largest = std::max({largest, std::abs(r.out[row + c]), std::abs(r.dq[row + c])});
      }
    }
  }
  return {count, largest};
}

}  // namespace

TEST_CASE("patterns: attention equals the predicate's, pair by pair, with grouped heads and a batch") {
  int64_t all_empty = 0;
  for (const int64_t tokens : {1, 33, 77}) {
    std::vector<std::vector<double>> in;
    for (const int64_t heads : {kHeads, kKeyHeads, kKeyHeads, kHeads}) {
      // f32 values, so that both dtypes compute on the same numbers
      in.push_back(values(random_tensor({kBatch, tokens, heads, kWidth}, DType::f32, 60 + in.size(), -2, 2)));
    }
    for (const PatternEntry& entry : registered_patterns()) {
      for (const std::string& spec : entry.examples) {
        CAPTURE(spec);
        CAPTURE(tokens);
        const PatternPtr pattern = parse_pattern(spec);
        const See sees = [&](int64_t head, int64_t query, int64_t key) {
          return key <= query && pattern->visible({tokens, kHeads}, head, query, key);
        };
        const PlanPtr plan = parse_attention_spec(spec).plan(tokens, kHeads);
        const Results expected = by_pairs(in, tokens, sees);
        for (const DType dtype : {DType::f64, DType::f32}) {
          const Results got = by_kernel(in, tokens, plan, dtype);
          // Sums of up to 3 x 77 terms of size 2 to 20: a few hundred roundings of some units
          const double limit = dtype == DType::f64 ? 1e-12 : 2e-4;
          CHECK(difference(got.out, expected.out) < limit);
          CHECK(difference(got.dq, expected.dq) < limit);
          CHECK(difference(got.dk, expected.dk) < limit);
          CHECK(difference(got.dv, expected.dv) < limit);
          const auto [empty, largest] = empty_rows(got, tokens, sees);
          CHECK(largest == 0);
          all_empty += empty;
        }
      }
    }
  }
  CHECK(all_empty > 100);  // the patterns' examples do have such rows
}
