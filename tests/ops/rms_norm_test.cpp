#include "ops/rms_norm.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("rms_norm: gradients, precision and memory at odd sizes") {
  // narrow and wide rows, odd and in packs; the last is too wide for a device to keep between its two passes
  for (const Shape& shape : {Shape{1, 1}, Shape{2, 31, 33}, Shape{129, 31}, Shape{3, 129}, Shape{9, 64},
                             Shape{2, 1111}, Shape{3, 2056}, Shape{1, 16640}}) {
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
  for (const Device device : all_devices())
    for (const int64_t width : {31, 64}) {
      CAPTURE(name_of(device));
      Tensor x = random_tensor({33, width}, DType::bf16, 1), weight = random_tensor({width}, DType::f32, 2);
      const Tensor dy = random_tensor(x.shape(), DType::bf16, 3);
      Tensor wide = Tensor::of<double>(values(x), x.shape()),
             wide_weight = Tensor::of<double>(values(weight), {width});
      x = x.to(device).set_requires_grad();
      weight = weight.to(device).set_requires_grad();
      wide.set_requires_grad();
      wide_weight.set_requires_grad();
      const Tensor y = rms_norm(x, weight, 1e-5), exact_y = rms_norm(wide, wide_weight, 1e-5);
      backward(y, dy.to(device));
      backward(exact_y, Tensor::of<double>(values(dy), dy.shape()));
      const auto exact = values(exact_y), rounded = values(y), exact_dx = values(wide.grad()),
                 dx = values(x.grad());
      for (size_t i = 0; i < exact.size(); ++i) {
        CHECK(std::abs(rounded[i] - exact[i]) <= std::abs(exact[i]) * 0x1p-8 * 1.001 + 1e-30);
        CHECK(std::abs(dx[i] - exact_dx[i]) <=
              std::abs(exact_dx[i]) * 0x1p-8 * 1.001 + 1e-5);  // a difference
      }
      CHECK(weight.grad().dtype() == DType::f32);
      CHECK(max_difference(weight.grad(), wide_weight.grad()) <= 1e-5);
    }
}

TEST_CASE("rms_norm: the weight's gradient over many groups of rows") {
  // more rows than 256 groups of 32, so that groups grow; and a last group that is a part
  const int64_t rows = 8333, width = 5;
  for (const Device device : other_devices()) {
    std::vector<Tensor> grads;
    for (const Device at : {Device::cpu, device}) {
      Tensor weight = random_tensor({width}, DType::f32, 2).to(at).set_requires_grad();
      backward(rms_norm(random_tensor({rows, width}, DType::f32, 1).to(at), weight, 1e-5),
               random_tensor({rows, width}, DType::f32, 3).to(at));
      grads.push_back(weight.grad());
    }
    // sums of 8333 terms of about 0.4 wander to about 50; 8333 roundings of that size, of random sign
    CHECK(max_difference(grads[0], grads[1]) <= 50 * 0x1p-24 * 100);
  }
}

TEST_CASE("rms_norm: a weight of another width is refused") {
  CHECK_THROWS_WITH_AS(rms_norm(Tensor::zeros({2, 4}), Tensor::zeros({3}), 1e-5),
                       "rms_norm: weight is [3], x is [2, 4]; weight needs x's last size", Error);
}
