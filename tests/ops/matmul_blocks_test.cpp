#include "ops/matmul_blocks.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "ops/cast.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/linear_cross_entropy.h"
#include "ops/quantize.h"
#include "tests/op_check.h"
#include "tests/ops/random_blocks.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Rounding of sums of `terms` products of at most `largest`, in f32, and of the result to bf16.
double bound(int64_t terms, double largest, DType result) {
  const double sum = static_cast<double>(terms) * largest;
  return sum * static_cast<double>(terms) * 0x1p-24 + (result == DType::bf16 ? sum * 0x1p-8 : 0);
}

double largest_of(const Tensor& t) {
  double most = 0;
  for (const double x : values(t)) most = std::max(most, std::abs(x));
  return most;
}

struct Sizes {
  int64_t m, n, k;
};

/// Both directions beside the same products with the whole weight as f64.
void check_products(const Sizes& sizes, DType blocks, DType dtype, Device device = Device::cpu) {
  const auto [m, n, k] = sizes;
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(std::string(name_of(blocks)));
  CAPTURE(std::string(name_of(dtype)));
  const Tensor weight = random_blocks({n, k}, blocks, 11), there = weight.to(device);
  const Tensor exact = cast(weight, DType::f64);
  const double largest = largest_of(exact);
  for (const bool forward : {true, false}) {
    const Tensor a = random_tensor({m, forward ? k : n}, dtype, 1);
    const Tensor start = random_tensor({m, forward ? n : k}, dtype, 2);
    for (const bool accumulate : {false, true}) {
      const MatmulOptions options{.transpose_b = forward, .scale = 0.5, .accumulate = accumulate};
      Tensor c = start.to(device).clone(), expected = cast(start, DType::f64).clone();
      matmul_into(a.to(device), there, c, options);
      matmul_into(cast(a, DType::f64), exact, expected, options);
      const double allowed = dtype == DType::f64
                                 ? 1e-12 * static_cast<double>(k + n) * largest
                                 : bound((forward ? k : n) + 1, std::max(largest, 1.0), dtype);
      CHECK(max_difference(c, expected) <= allowed);
    }
  }
}

}  // namespace

TEST_CASE("matmul of blocks: every format, forward and backward, as the whole weight's") {
  for (const DType blocks : kBlockDTypes)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64})
      for (const Sizes& sizes : {Sizes{1, 1, 256}, {1, 129, 256}, {2, 31, 256}, {33, 129, 768}})
        check_products(sizes, blocks, dtype);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    check_products({33, 31, 96}, DType::q4_1, dtype);  // rows of an odd number of blocks
    check_products({1, 31, 96}, DType::q8_0, dtype);
    check_products({5, 31, 192}, DType::nf4, dtype);
  }
}

TEST_CASE("matmul of blocks: a weight of several panels, the last one short") {
  const int64_t k = 16384, n = 161;
  REQUIRE(panel_rows(n, k, Device::cpu) == 64);
  for (const DType dtype : {DType::f32, DType::bf16}) check_products({3, n, k}, DType::q4_0, dtype);
  check_products({1, n, k}, DType::nf4, DType::f32);
}

TEST_CASE("matmul of blocks: a panel is a small part of a large weight, and nothing else is made") {
  const int64_t n = 4096, k = 4096;
  const Tensor weight = Tensor::zeros({n, k}, DType::nf4), a = Tensor::zeros({8, k});
  Tensor c = Tensor::empty({8, n});
  const int64_t before = memory_counters().live_bytes;
  reset_peak();
  matmul_into(a, weight, c, {.transpose_b = true});
  CHECK(memory_counters().peak_bytes - before == 4 << 20);  // of 64 MB that the numbers would take
}

TEST_CASE("matmul of blocks: on other devices") {
  for (const Device device : other_devices())
    for (const DType blocks : kBlockDTypes)
      for (const DType dtype : {DType::f32, DType::bf16})
        for (const Sizes& sizes : {Sizes{1, 33, 512}, {5, 33, 256}})
          check_products(sizes, blocks, dtype, device);
}

TEST_CASE("matmul of blocks: on other devices, in several panels of columns") {
  const int64_t n = 131072, k = 160;
  for (const Device device : other_devices()) {
    REQUIRE(panel_rows(k, n, device) == 64);
    check_products({2, n, k}, DType::q4_0, DType::bf16, device);
  }
}

TEST_CASE("matmul of blocks: the same bits at any thread count where they are asked for") {
  const SameBitsAtAnyThreadCount guard;
  const Tensor weight = random_blocks({129, 512}, DType::q4_1, 3);
  for (const int64_t m : {1, 9}) {
    const Tensor a = random_tensor({m, 512}, DType::f32, 5);
    std::vector<Tensor> results;
    const int threads = omp_get_max_threads();
    for (const int count : {1, 2, 3, 5}) {
      omp_set_num_threads(count);
      results.push_back(Tensor::empty({m, 129}));
      matmul_into(a, weight, results.back(), {.transpose_b = true});
    }
    omp_set_num_threads(threads);
    for (const Tensor& result : results) CHECK(same_bits(result, results[0]));
  }
}

TEST_CASE("linear, embedding, cross entropy: a weight in few bits is as the same numbers frozen") {
  for (const Device device : all_devices()) {
    const Tensor blocks = quantized(random_tensor({65, 64}, DType::f32, 1), DType::nf4).to(device);
    const Tensor numbers = cast(blocks, DType::f32);
    const auto run = [&](const Tensor& weight) {
      Tensor x = random_tensor({2, 9, 64}, DType::f32, 2).to(device);
      x.set_requires_grad();
      const Tensor hidden = linear_add(linear(x, weight), x, weight, 0.25);
      Tensor loss =
          linear_cross_entropy(x, weight, Tensor::of<int32_t>(std::vector<int32_t>(18, 64), {18}), -100);
      backward(hidden, random_tensor({2, 9, 65}, DType::f32, 3).to(device));
      backward(loss);
      return std::vector<Tensor>{hidden.detach(), loss.detach(), x.grad()};
    };
    const std::vector<Tensor> kept = run(blocks), plain = run(numbers);
    for (size_t i = 0; i < kept.size(); ++i) CHECK(max_difference(kept[i], plain[i]) < 1e-5);
    const Tensor ids = Tensor::of<int32_t>({64, 0, 5, 64}, {2, 2});
    CHECK(same_bits(embedding(ids, blocks, DType::f32).to(Device::cpu),
                    embedding(ids, numbers, DType::f32).to(Device::cpu)));
  }
}

TEST_CASE("linear: the gradient of its input through a weight in few bits, by finite differences") {
  const Tensor weight = quantized(random_tensor({33, 64}, DType::f32, 1), DType::q8_0);
  check_op([&](const Inputs& in) { return linear(in[0], weight.to(in[0].device())); }, {{3, 64}});
}

TEST_CASE("weights in few bits do not learn, and keep their rows") {
  Tensor weight = Tensor::zeros({4, 64}, DType::nf4);
  CHECK_THROWS_WITH_AS(weight.set_requires_grad(),
                       "set_requires_grad: tensor [4, 64] is nf4, which is only read; cast it to f32 first",
                       Error);
  CHECK_THROWS_WITH_AS(weight.reshape({2, 128}), "reshape: [4, 64] of nf4 keeps its rows, which are blocks",
                       Error);
  Tensor c = Tensor::zeros({3, 64});
  CHECK_THROWS_WITH_AS(matmul_into(Tensor::zeros({4, 3}), weight, c, {.transpose_a = true}),
                       "matmul: a transposed a with nf4 is a weight's gradient, which such a weight has not",
                       Error);
}
