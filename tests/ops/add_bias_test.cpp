#include "ops/add_bias.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ops/row_groups.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("add_bias: gradients, precision and memory at odd sizes") {
  // a row without company; odd widths and packs; more rows than a group has; wider than a block
  for (const Shape& shape : {Shape{1}, Shape{1, 1}, Shape{2, 31, 33}, Shape{129, 31}, Shape{260, 3},
                             Shape{9, 64}, Shape{3, 2056}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return add_bias(in[0], in[1]); }, {shape, {shape.back()}});
  }
}

TEST_CASE("add_bias: each column has its own") {
  const Tensor x = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3}), bias = Tensor::of<float>({10, 20, 30}, {3});
  CHECK(values(add_bias(x, bias)) == std::vector<double>{11, 22, 33, 14, 25, 36});
}

TEST_CASE("add_bias: in place when x is handed over, never on a shared tensor") {
  const Tensor x = random_tensor({3, 33}, DType::f32, 1), bias = random_tensor({33}, DType::f32, 2);
  const Tensor kept = x.clone(), y = add_bias(x, bias);
  CHECK(same_bits(x, kept));
  Tensor given = x.clone();
  const void* where = given.raw();
  const Tensor z = add_bias(std::move(given), bias);
  CHECK(z.raw() == where);
  CHECK(same_bits(z, y));
}

TEST_CASE("add_bias: bf16 rounds once, beside an f32 bias that learns in f32") {
  for (const Device device : all_devices())
    for (const int64_t width : {31, 64}) {
      CAPTURE(name_of(device));
      const int64_t rows = 300;
      const Tensor x = random_tensor({rows, width}, DType::bf16, 1),
                   dy = random_tensor(x.shape(), DType::bf16, 3);
      Tensor bias = random_tensor({width}, DType::f32, 2);
      const auto xs = values(x), biases = values(bias), dys = values(dy);
      bias = bias.to(device).set_requires_grad();
      const Tensor y = add_bias(x.to(device), bias);
      const auto ys = values(y);
      for (size_t i = 0; i < ys.size(); ++i) {
        const double exact = xs[i] + biases[i % static_cast<size_t>(width)];
        CHECK(std::abs(ys[i] - exact) <= std::abs(exact) * 0x1p-8 * 1.001 + 1e-7);  // and the sum's in f32
      }
      backward(y, dy.to(device));
      CHECK(bias.grad().dtype() == DType::f32);
      const auto grad = values(bias.grad());
      for (size_t column = 0; column < grad.size(); ++column) {
        double exact = 0;
        for (size_t row = 0; row < static_cast<size_t>(rows); ++row)
          exact += dys[row * static_cast<size_t>(width) + column];
        // 300 terms below 1 wander to about 10; each addition may err by half an ulp of that. In bf16 it
        // would be 2^16 times as much.
        CHECK(std::abs(grad[column] - exact) <= 300 * 16 * 0x1p-25);
      }
    }
}

TEST_CASE("add_bias: the gradient over many groups of rows") {
  // more rows than 256 groups of 32, so that groups grow; and a last group that is a part
  const int64_t rows = 8333, width = 5;
  const Tensor dy = random_tensor({rows, width}, DType::f32, 3);
  const auto dys = values(dy);
  for (const Device device : all_devices()) {
    Tensor bias = random_tensor({width}, DType::f32, 2).to(device).set_requires_grad();
    backward(add_bias(Tensor::zeros({rows, width}, DType::f32, device), bias), dy.to(device));
    const auto grad = values(bias.grad());
    for (size_t column = 0; column < grad.size(); ++column) {
      double exact = 0;
      for (size_t row = 0; row < static_cast<size_t>(rows); ++row) exact += dys[row * 5 + column];
      // sums of 8333 terms wander to about 50; 8333 roundings of that size, of random sign
      CHECK(std::abs(grad[column] - exact) <= 50 * 0x1p-24 * 100);
    }
  }
}

TEST_CASE("row_groups: every row is in a group, few groups on a device") {
  for (const int64_t rows : {1, 31, 128, 129, 8333, 1 << 20}) {
    const Tensor sums = row_group_sums(Tensor::empty({rows, 1}, DType::bf16));
    CHECK(sums.dtype() == DType::f32);
    CHECK(sums.size(0) == (rows + 127) / 128);
    CHECK(row_group(rows, Device::cuda) * 256 >= rows);
  }
  CHECK(row_group_sums(Tensor::empty({3, 2}, DType::f64)).dtype() == DType::f64);
}

TEST_CASE("add_bias: a bias of another width or dtype is refused") {
  CHECK_THROWS_WITH_AS(add_bias(Tensor::zeros({2, 4}), Tensor::zeros({3})),
                       "add_bias: bias is [3], x is [2, 4]; bias needs x's last size", Error);
  CHECK_THROWS_WITH_AS(add_bias(Tensor::zeros({2, 4}), Tensor::zeros({4}, DType::bf16)),
                       "add_bias: bias is bf16, x is f32; bias must be f32 or as x", Error);
}
