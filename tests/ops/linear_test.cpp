#include "ops/linear.h"

#include <doctest/doctest.h>

#include "ops/matmul.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("linear: gradients, precision and memory at odd sizes") {
  check_op([](const Inputs& in) { return linear(in[0], in[1]); }, {{1, 1}, {1, 1}});
  check_op([](const Inputs& in) { return linear(in[0], in[1]); }, {{2, 31, 33}, {129, 33}});
  check_op([](const Inputs& in) { return linear(in[0], in[1]); }, {{129, 31}, {1, 31}});
}

TEST_CASE("linear_add: gradients reach the base too, and a shared base is not written") {
  check_op([](const Inputs& in) { return linear_add(in[0], in[1], in[2], 0.5); },
           {{2, 31, 33}, {2, 31, 3}, {33, 3}});
  const Tensor base = random_tensor({4, 3}, DType::f32, 1), kept = base.clone();
  linear_add(base, random_tensor({4, 2}, DType::f32, 2), random_tensor({3, 2}, DType::f32, 3), 1);
  CHECK(same_bits(base, kept));
}

TEST_CASE("linear_add: a base handed over is updated in place") {
  Tensor base = random_tensor({4, 3}, DType::f32, 1);
  const void* where = base.raw();
  const Tensor y = linear_add(std::move(base), random_tensor({4, 2}, DType::f32, 2),
                              random_tensor({3, 2}, DType::f32, 3), 1);
  CHECK(y.raw() == where);
}

TEST_CASE("matmul: bf16 rounds once after f32 sums") {
  const Tensor a = random_tensor({31, 129}, DType::bf16, 1), b = random_tensor({33, 129}, DType::bf16, 2);
  const Tensor wide_a = Tensor::of<double>(values(a), a.shape()),
               wide_b = Tensor::of<double>(values(b), b.shape());
  const auto exact = values(linear(wide_a, wide_b)), y = values(linear(a, b));
  // half a unit of bf16, and f32's rounding of 129 terms of at most 1
  for (size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(y[i] - exact[i]) <= std::abs(exact[i]) * 0x1p-8 * 1.01 + 129 * 0x1p-23);
}

TEST_CASE("matmul: a transposed A whose rows lie 4 KiB apart is transposed first, to the same numbers") {
  for (const int64_t k : {1, 31, 33}) {
    const Tensor a = random_tensor({k, 2048}, DType::f32, 1), b = random_tensor({k, 5}, DType::f32, 2);
    Tensor c = Tensor::full({2048, 5}, 1), exact = Tensor::full({2048, 5}, 1, DType::f64);
    matmul_into(a, b, c, {.transpose_a = true, .scale = 0.5, .accumulate = true});
    matmul_into(Tensor::of<double>(values(a), a.shape()), Tensor::of<double>(values(b), b.shape()), exact,
                {.transpose_a = true, .scale = 0.5, .accumulate = true});
    CHECK(max_difference(c, exact) <= 35 * 0x1p-23);  // f32's rounding of at most 34 terms of at most 1
  }
}

TEST_CASE("matmul: shapes that do not fit are named") {
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({2, 4}), Tensor::zeros({3, 5})),
                       "linear: x is [2, 4], weight is [3, 5]; x's last size must be weight's second", Error);
}
