#include "ops/linear_cross_entropy.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "core/random.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Every fifth target is ignored.
Tensor some_targets(int64_t n, int64_t vocabulary) {
  Tensor targets = Tensor::empty({n}, DType::i32);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t r = philox(11, static_cast<uint64_t>(i))[0];
    targets.data<int32_t>()[i] =
        i % 5 == 3 ? -100 : static_cast<int32_t>(r % static_cast<uint32_t>(vocabulary));
  }
  return targets;
}

/// The definition, in f64, with all logits at once. Beside each gradient the sum of its terms' sizes, which
/// is what a relative error of the terms becomes.
struct Reference {
  double mean = 0;
  std::vector<double> losses, dhidden, dweight, dhidden_terms, dweight_terms;
};

Reference reference(const Tensor& hidden, const Tensor& weight, const Tensor& targets) {
  const auto h = values(hidden), w = values(weight), t = values(targets);
  const size_t n = t.size(), vocabulary = static_cast<size_t>(weight.size(0)),
               width = static_cast<size_t>(weight.size(1));
  Reference out{0,
                std::vector<double>(n),
                std::vector<double>(h.size()),
                std::vector<double>(w.size()),
                std::vector<double>(h.size()),
                std::vector<double>(w.size())};
  const double count = static_cast<double>(n) - static_cast<double>(std::count(t.begin(), t.end(), -100.0));
  std::vector<double> p(vocabulary);
  for (size_t row = 0; row < n; ++row) {
    if (t[row] == -100) continue;
    const auto target = static_cast<size_t>(t[row]);
    double sum = 0;
    for (size_t v = 0; v < vocabulary; ++v) {
      double logit = 0;
      for (size_t d = 0; d < width; ++d) logit += h[row * width + d] * w[v * width + d];
      sum += p[v] = std::exp(logit);
    }
    out.losses[row] = std::log(sum) - std::log(p[target]);
    out.mean += out.losses[row] / count;
    for (size_t v = 0; v < vocabulary; ++v) {
      const double dlogit = (p[v] / sum - (v == target ? 1 : 0)) / count;
      for (size_t d = 0; d < width; ++d) {
        const double of_hidden = dlogit * w[v * width + d], of_weight = dlogit * h[row * width + d];
        out.dhidden[row * width + d] += of_hidden;
        out.dhidden_terms[row * width + d] += std::abs(of_hidden);
        out.dweight[v * width + d] += of_weight;
        out.dweight_terms[v * width + d] += std::abs(of_weight);
      }
    }
  }
  return out;
}

double largest(const std::vector<double>& x) {
  double most = 0;
  for (const double v : x) most = std::max(most, std::abs(v));
  return most;
}

/// max |x - b| / max |b|.
double relative_difference(const std::vector<double>& x, const std::vector<double>& b) {
  REQUIRE(x.size() == b.size());
  double worst = 0, largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double d = std::abs(x[i] - b[i]);
    if (!(d <= worst)) worst = d;  // keeps NaN
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}
double relative_difference(const Tensor& a, const std::vector<double>& b) {
  return relative_difference(values(a), b);
}

struct Run {
  Tensor loss, dhidden, dweight;
};

Run run(Tensor hidden, Tensor weight, const Tensor& targets) {
  hidden.set_requires_grad();
  weight.set_requires_grad();
  Run result{linear_cross_entropy(hidden, weight, targets), {}, {}};
  backward(result.loss);
  result.dhidden = hidden.grad();
  result.dweight = weight.grad();
  return result;
}

}  // namespace

TEST_CASE("linear_cross_entropy: gradients, precision and memory at odd sizes") {
  for (const auto& [hidden, weight] : std::vector<std::pair<Shape, Shape>>{{{1, 1}, {1, 1}},
                                                                           {{1, 1}, {2, 1}},
                                                                           {{2, 31, 33}, {129, 33}},
                                                                           {{129, 3}, {31, 3}},
                                                                           {{33, 5}, {33, 5}}}) {
    CAPTURE(to_string(weight));
    const Tensor targets = some_targets(numel(hidden) / hidden.back(), weight[0]);
    // check_op's incoming gradient is not 1, so the scaling in backward is seen too
    check_op([&](const Inputs& in) { return linear_cross_entropy(in[0], in[1], targets); }, {hidden, weight});
  }
}

TEST_CASE("linear_cross_entropy: many chunks against all logits at once in f64") {
  const int64_t rows = 801, vocabulary = 2999, width = 7;  // 349 rows of f32 a chunk: 2.3 chunks
  const Tensor hidden = random_tensor({rows, width}, DType::f32, 1, -3, 3);
  const Tensor weight = random_tensor({vocabulary, width}, DType::f32, 2),
               targets = some_targets(rows, vocabulary);
  const Reference exact = reference(hidden, weight, targets);
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const Tensor h = hidden.to(device), w = weight.to(device);
    const Run f32 = run(h, w, targets);
    // a logit of 7 terms of at most 3 errs by about 21 * 2^-23, and so does what follows from it, relatively
    CHECK(std::abs(f32.loss.item() - exact.mean) <= exact.mean * 1e-6);
    CHECK(relative_difference(f32.dhidden, exact.dhidden) <= 5e-6);
    CHECK(relative_difference(f32.dweight, exact.dweight) <= 5e-6);
    const auto losses = values(token_losses(h, w, targets));
    CHECK(relative_difference(losses, exact.losses) <= 2e-6);
    CHECK(losses[3] == 0);
  }
}

TEST_CASE("linear_cross_entropy: bf16 operands, f32 logits") {
  const Tensor hidden = random_tensor({65, 33}, DType::bf16, 1, -2, 2), targets = some_targets(65, 97);
  for (const Device device : all_devices())
    for (const DType dtype : {DType::bf16, DType::f32}) {
      CAPTURE(name_of(device));
      CAPTURE(name_of(dtype));
      const bool native = multiplies_bf16(device);
      const Tensor weight = random_tensor({97, 33}, dtype, 2);
      const Reference exact = reference(hidden, native ? cast(weight, DType::bf16) : weight, targets);
      const Run low = run(hidden.to(device), weight.to(device), targets);
      CHECK(low.loss.dtype() == DType::f32);
      CHECK(low.dhidden.dtype() == DType::bf16);
      CHECK(low.dweight.dtype() == dtype);
      CHECK(std::abs(low.loss.item() - exact.mean) <= exact.mean * 1e-6);  // operands are exact, sums are f32
      // each term errs by the rounding of the logits' gradient, where that is multiplied as bf16; what is
      // kept in bf16 is rounded once more at the end
      const double term = native ? 0x1p-8 : 0, end = 0x1p-8;
      const double dhidden = term * largest(exact.dhidden_terms) / largest(exact.dhidden) + end + 5e-6;
      const double dweight = term * largest(exact.dweight_terms) / largest(exact.dweight) + 5e-6;
      CHECK(relative_difference(low.dhidden, exact.dhidden) <= dhidden);
      CHECK(relative_difference(low.dweight, exact.dweight) <= dweight + (dtype == DType::bf16 ? end : 0));
    }
}

TEST_CASE("linear_cross_entropy: large logits neither overflow nor lose the loss") {
  const Tensor hidden = Tensor::of<float>({1, 1}, {2, 1}), targets = Tensor::of<int32_t>({0, 1}, {2});
  const Tensor weight = Tensor::of<float>({500, -500, 0}, {3, 1});
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const auto losses = values(token_losses(hidden.to(device), weight.to(device), targets));
    CHECK(losses[0] == 0);
    CHECK(losses[1] == 1000);
    CHECK(linear_cross_entropy(hidden.to(device), weight.to(device), targets).item() == 500);
  }
}

TEST_CASE(
    "linear_cross_entropy: memory for one chunk of logits and its transpose, none for tokens x vocabulary") {
  const int64_t rows = 2048, vocabulary = 4096, width = 8;
  Tensor hidden = random_tensor({rows, width}, DType::f32, 1),
         weight = random_tensor({vocabulary, width}, DType::f32, 2);
  hidden.set_requires_grad();
  weight.set_requires_grad();
  const Tensor targets = some_targets(rows, vocabulary);
  const int64_t before = memory_counters().live_bytes;
  reset_peak();
  backward(linear_cross_entropy(hidden, weight, targets));
  const int64_t gradients = static_cast<int64_t>(hidden.bytes() + weight.bytes());
  CHECK(memory_counters().live_bytes - before == gradients);
  CHECK(memory_counters().peak_bytes - before <= gradients + (9 << 20));  // all logits would be 33.5 MB
}

TEST_CASE("linear_cross_entropy: on a device, memory for one chunk of logits, and for it in bf16") {
  const int64_t rows = 300, vocabulary = 1000, width = 8;
  const Tensor targets = some_targets(rows, vocabulary);
  for (const Device device : other_devices())
    for (const DType dtype : {DType::f32, DType::bf16}) {
      CAPTURE(name_of(dtype));
      Tensor hidden = random_tensor({rows, width}, dtype, 1).to(device);
      const Tensor weight = random_tensor({vocabulary, width}, dtype, 2).to(device);
      hidden.set_requires_grad();
      const int64_t before = memory_counters(device).live_bytes;
      reset_peak(device);
      backward(linear_cross_entropy(hidden, weight, targets));
      const int64_t logits = loss_chunk_rows(rows, vocabulary, DType::f32, device) * vocabulary * 4;
      const int64_t small = 4 * rows * (width + 4);  // dhidden in f32, losses, targets
      CHECK(memory_counters(device).peak_bytes - before <=
            (dtype == DType::bf16 ? 3 : 2) * logits / 2 + static_cast<int64_t>(hidden.bytes()) + small);
    }
}

TEST_CASE("linear_cross_entropy: a chunk fills a device, and never has fewer rows than pay") {
  const auto rows = [](int64_t vocabulary, Device device) {
    return loss_chunk_rows(100000, vocabulary, DType::f32, device);
  };
  CHECK(rows(2999, Device::cpu) == 349);  // 4 MiB of logits
  CHECK(rows(4096, Device::cpu) == 256);
  CHECK(rows(32000, Device::cpu) == 512);
  CHECK(rows(32000, Device::cuda) == 512);  // 64 MiB, in whole tiles of 128
  CHECK(rows(128256, Device::cuda) == 256);
  CHECK(loss_chunk_rows(33, 32000, DType::f32, Device::cuda) == 33);
}

TEST_CASE("linear_cross_entropy: what cannot be is named") {
  const Tensor hidden = Tensor::zeros({2, 4}), weight = Tensor::zeros({3, 4});
  const auto with = [&](std::vector<int32_t> targets) {
    return linear_cross_entropy(hidden, weight, Tensor::of<int32_t>(targets, {2}));
  };
  CHECK_THROWS_WITH_AS(
      with({0, 3}),
      "linear_cross_entropy: target 3 at position 1 is outside the vocabulary of 3 and is not "
      "the ignored -100",
      Error);
  CHECK_THROWS_AS(with({-1, 0}), Error);
  CHECK_THROWS_WITH_AS(
      with({-100, -100}),
      "linear_cross_entropy: all 2 targets are ignored, so there is no mean; a batch needs at "
      "least one token to predict",
      Error);
  CHECK_THROWS_AS(linear_cross_entropy(hidden, Tensor::zeros({3, 5}), Tensor::zeros({2}, DType::i32)), Error);
  CHECK_THROWS_AS(linear_cross_entropy(hidden, weight, Tensor::zeros({3}, DType::i32)), Error);
}

TEST_CASE("linear_cross_entropy: the softmax pass has the same bits at any thread count") {
  const Tensor logits = random_tensor({301, 1031}, DType::f32, 1, -9, 9), targets = some_targets(301, 1031);
  const int before = omp_get_max_threads();
  std::vector<Tensor> gradients, losses;
  for (const int threads : {1, 2, 3, 8}) {
    omp_set_num_threads(threads);
    gradients.push_back(logits.clone());
    losses.push_back(Tensor::empty({301}));
    cpu::softmax_losses(gradients.back(), targets, -100, 0.25, losses.back());
    CHECK(same_bits(gradients.back(), gradients.front()));
    CHECK(same_bits(losses.back(), losses.front()));
  }
  omp_set_num_threads(before);
}

TEST_CASE(
    "linear_cross_entropy: the softmax pass of a device is the CPU's, at odd vocabularies and with -inf") {
  for (const Device device : other_devices())
    for (const int64_t vocabulary : {1, 31, 32, 129, 1031, 4100})
      for (const double grad_scale : {0.0, 0.25}) {
        CAPTURE(vocabulary);
        Tensor logits = random_tensor({9, vocabulary}, DType::f32, 1, -9, 9), losses = Tensor::empty({9});
        if (vocabulary > 1) logits.data<float>()[vocabulary] = -std::numeric_limits<float>::infinity();
        Tensor targets = some_targets(9, vocabulary);
        if (vocabulary > 1) targets.data<int32_t>()[1] = static_cast<int32_t>(vocabulary - 1);
        Tensor there = logits.to(device), losses_there = Tensor::empty({9}, DType::f32, device);
        const Tensor targets_there = targets.to(device);
        cpu::softmax_losses(logits, targets, -100, grad_scale, losses);
        SCCA_ON_DEVICE(device, softmax_losses(there, targets_there, -100, grad_scale, losses_there));
        // sums of up to 4100 terms in another order; a loss is at most 18 + log(4100)
        CHECK(max_difference(losses_there, losses) <= 27 * 0x1p-22);
        if (grad_scale != 0) CHECK(max_difference(there, logits) <= 0.25 * 1e-5);
      }
}
