// Every step of the ladder against the CPU's op in f64.
#include "tests/ladder/ladder.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <tuple>

#include "core/random.h"
#include "ops/attention.h"
#include "ops/rms_norm.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

#ifdef SCCA_CUDA
namespace {

/// Normal numbers as `dtype` holds them, in f64: what the steps are given, without what they round.
Tensor exact(const Shape& shape, DType dtype) {
  Tensor x = Tensor::empty(shape);
  fill_normal(x, 1);
  std::vector<double> numbers = values(x);
  if (dtype == DType::bf16)
    for (double& number : numbers) number = static_cast<double>(static_cast<float>(bf16(number)));
  return Tensor::of(numbers, shape);
}

Tensor on_device(const Tensor& x, DType dtype) {
  const std::vector<double> numbers = values(x);
  if (dtype == DType::bf16) {
    std::vector<bf16> rounded;
    for (const double number : numbers) rounded.emplace_back(number);
    return Tensor::of(rounded, x.shape()).to(Device::cuda);
  }
  return Tensor::of(std::vector<float>(numbers.begin(), numbers.end()), x.shape()).to(Device::cuda);
}

/// The worst of |got - wanted| - tolerance * size, element by element; not above 0 is right. NaN is wrong.
double worst_excess(const Tensor& got, const Tensor& wanted, const Tensor& size, double tolerance) {
  const std::vector<double> g = values(got.to(Device::cpu)), w = values(wanted), s = values(size);
  double worst = -INFINITY;
  for (size_t i = 0; i < w.size(); ++i) {
    const double excess = std::abs(g[i] - w[i]) - tolerance * std::abs(s[i]);
    worst = std::isnan(excess) ? INFINITY : std::max(worst, excess);
  }
  return worst;
}

using NormStep = std::function<void(const Tensor&, const Tensor&, double, Tensor&)>;
using AttentionStep = std::function<void(const Tensor&, const Tensor&, const Tensor&, bool, Tensor&)>;

void check_norm(const NormStep& step, int64_t rows, int64_t width) {
  CAPTURE(rows);
  CAPTURE(width);
  const Tensor x = exact({rows, width}, DType::f32), weight = exact({width}, DType::f32);
  const Tensor wanted = rms_norm(x, weight, 1e-5);
  Tensor y = Tensor::empty({rows, width}, DType::f32, Device::cuda);
  step(on_device(x, DType::f32), on_device(weight, DType::f32), 1e-5, y);
  // A sum of `width` squares in any order errs by at most width / 2^24 of itself, its root by half of that;
  // the root and the products add a few roundings.
  CHECK(worst_excess(y, wanted, wanted, (0.5 * static_cast<double>(width) + 8) / (1 << 24)) <= 0);
}

void check_attention(const AttentionStep& step, DType dtype, int64_t heads, int64_t tokens, bool causal) {
  CAPTURE(heads);
  CAPTURE(tokens);
  CAPTURE(causal);
  const Shape shape{heads, tokens, ladder::kHeadDim};
  const Tensor q = exact(shape, dtype), k = exact(shape, dtype), v = exact(shape, dtype);
  std::vector<double> magnitude = values(v);
  for (double& number : magnitude) number = std::abs(number);
  // [heads, tokens, 64] is also a batch of `heads` texts with one head each.
  const auto plan = full_plan(tokens, 1, causal);
  const Shape as_batch{heads, tokens, 1, ladder::kHeadDim};
  const auto reference = [&](const Tensor& values_of) {
    return attention(q.reshape(as_batch), k.reshape(as_batch), values_of.reshape(as_batch), plan);
  };
  const Tensor wanted = reference(v), size = reference(Tensor::of(magnitude, shape));
  Tensor out = Tensor::empty(shape, dtype, Device::cuda);
  step(on_device(q, dtype), on_device(k, dtype), on_device(v, dtype), causal, out);
  // In proportion to size = sum of weight |v|: f32 scores err by 64 products' roundings, at most 64 / 2^24
  // sum |q k| / 8 (below 1e-4 for these numbers), which the weight repeats; bf16 rounds each weight and the
  // result, 2^-8 each.
  const double tolerance = 2e-4 + (dtype == DType::bf16 ? 1.0 / 128 : 0);
  CHECK(worst_excess(out, wanted, size, tolerance) <= 0);
}

}  // namespace

TEST_CASE("ladder: every step of rms_norm is rms_norm") {
  if (other_devices().empty()) return;
  const std::vector<std::pair<std::string, NormStep>> steps{{"a thread a row", ladder::rms_norm_thread_a_row},
                                                            {"a block a row", ladder::rms_norm_block_a_row},
                                                            {"vectors", ladder::rms_norm_vectors}};
  for (const auto& [name, step] : steps) {
    INFO(name);
    for (const auto& [rows, width] :
         {std::pair<int64_t, int64_t>{1, 1}, {31, 33}, {129, 64}, {3, 1000}, {2, 4096}})
      check_norm(step, rows, width);
  }
}

TEST_CASE("ladder: every step of attention is attention") {
  if (other_devices().empty()) return;
  const std::vector<std::tuple<std::string, DType, AttentionStep>> steps{
      {"naive", DType::f32, ladder::attention_naive},
      {"tiled", DType::f32, ladder::attention_tiled},
      {"tensor core", DType::bf16, ladder::attention_tensor_core}};
  for (const auto& [name, dtype, step] : steps) {
    INFO(name);
    for (const int64_t tokens : {1, 31, 64, 129})
      for (const bool causal : {false, true})
        check_attention(step, dtype, tokens == 31 ? 3 : 1, tokens, causal);
  }
}

TEST_CASE("ladder: rows too wide for step 3 are an error") {
  if (other_devices().empty()) return;
  Tensor y = Tensor::empty({1, 4097}, DType::f32, Device::cuda);
  CHECK_THROWS_WITH_AS(ladder::rms_norm_vectors(y, y, 1e-5, y),
                       "ladder: rows of 4097, step 3 keeps at most 4096 in registers", Error);
}
#endif
