#include "ops/sigmoid.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/dispatch.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("sigmoid: gradients, precision and memory at odd sizes") {
  for (const Shape& shape : {Shape{1}, Shape{0}, Shape{31, 33}, Shape{2, 3, 129}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return sigmoid(in[0]); }, {shape}, {.low = -4, .high = 4});
  }
  // y, which the node keeps, is what the second one reads and may not take over
  check_op([](const Inputs& in) { return sigmoid(sigmoid(in[0])); }, {{31, 33}});
}

TEST_CASE("sigmoid: is its formula from -inf to +inf, in every dtype") {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> xs{-inf, -1e30f, -104, -80, -20, -1, 0, 1e-20f, 0.5f, 1, 20, 90, 1e30f, inf};
  const auto n = static_cast<int64_t>(xs.size());
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
      if (dtype == DType::f64 && device != Device::cpu) continue;
      CAPTURE(name_of(device));
      CAPTURE(name_of(dtype));
      Tensor x = Tensor::empty({n}, dtype);
      visit_float(dtype, "test", [&]<class T>() {
        for (int64_t i = 0; i < n; ++i) x.data<T>()[i] = static_cast<T>(xs[static_cast<size_t>(i)]);
      });
      const auto in = values(x), y = values(sigmoid(x.to(device)));
      // exp to 2 ulp, a sum and a quotient; e^-x overflows to inf below -88.7, where y is 1e-39
      const double unit =
          dtype == DType::f64 ? 4 * 0x1p-53 : (dtype == DType::bf16 ? 0x1p-8 : 0) + 8 * 0x1p-24;
      for (size_t i = 0; i < in.size(); ++i) {
        const double exact = 1 / (1 + std::exp(-in[i]));
        CHECK(std::abs(y[i] - exact) <= exact * unit + (dtype == DType::f64 ? 0 : 1e-38));
      }
    }
  CHECK(std::isnan(values(sigmoid(Tensor::full({1}, std::nan(""))))[0]));
}

TEST_CASE("sigmoid: in place when x is handed over, never on a shared tensor") {
  const Tensor x = random_tensor({33}, DType::f32, 1), kept = x.clone(), y = sigmoid(x);
  CHECK(same_bits(x, kept));
  Tensor given = x.clone();
  const void* where = given.raw();
  const Tensor z = sigmoid(std::move(given));
  CHECK(z.raw() == where);
  CHECK(same_bits(z, y));
}

TEST_CASE("sigmoid: integers are refused") {
  CHECK_THROWS_WITH_AS(sigmoid(Tensor::zeros({2}, DType::i32)),
                       "sigmoid: dtype i32, expected f32, bf16 or f64", Error);
}
