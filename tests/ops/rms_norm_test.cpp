#include "ops/rms_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("rms_norm: gradients, precision and memory at odd sizes") {
  for (const Shape& shape : {Shape{1, 1}, Shape{2, 31, 33}, Shape{129, 31}, Shape{3, 129}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return rms_norm(in[0], in[1], 1e-5); }, {shape, {shape.back()}});
  }
}

TEST_CASE("rms_norm: is its formula") {
  const Tensor x = Tensor::of<float>({3, 4}, {1, 2}), weight = Tensor::of<float>({1, 2}, {2});
  const double rms = std::sqrt((9.0 + 16.0) / 2 + 1e-6);
  const auto y = values(rms_norm(x, weight, 1e-6));
  CHECK(y[0] == doctest::Approx(3 / rms));
  CHECK(y[1] == doctest::Approx(8 / rms));
}

TEST_CASE("rms_norm: bf16 rounds once, beside f32 weights") {
  const Tensor x = random_tensor({33, 64}, DType::bf16, 1), weight = random_tensor({64}, DType::f32, 2);
  Tensor wide = Tensor::of<double>(values(x), x.shape());
  const auto exact = values(rms_norm(wide, weight, 1e-5)), y = values(rms_norm(x, weight, 1e-5));
  for (size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(y[i] - exact[i]) <= std::abs(exact[i]) * 0x1p-8 * 1.001 + 1e-30);
}

TEST_CASE("rms_norm: a weight of another width is refused") {
  CHECK_THROWS_WITH_AS(rms_norm(Tensor::zeros({2, 4}), Tensor::zeros({3}), 1e-5),
                       "rms_norm: weight is [3], x is [2, 4]; weight needs x's last size", Error);
}
