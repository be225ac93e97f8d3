#include "ops/softmax.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/dispatch.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

const double kInf = std::numeric_limits<double>::infinity();

/// The formula, row by row in f64, without a maximum: for x that e^x has room for.
std::vector<double> plain(const std::vector<double>& x, size_t width) {
  std::vector<double> y(x.size());
  for (size_t row = 0; row < x.size(); row += width) {
    double sum = 0;
    for (size_t i = row; i < row + width; ++i) sum += std::exp(x[i]);
    for (size_t i = row; i < row + width; ++i) y[i] = std::exp(x[i]) / sum;
  }
  return y;
}

Tensor rows_of(const std::vector<double>& x, int64_t width, DType dtype, Device device) {
  Tensor t = Tensor::empty({static_cast<int64_t>(x.size()) / width, width}, dtype);
  visit_float(dtype, "test", [&]<class T>() {
    for (size_t i = 0; i < x.size(); ++i) t.data<T>()[i] = static_cast<T>(x[i]);
  });
  return t.to(device);
}

}  // namespace

TEST_CASE("softmax: gradients, precision and memory at odd sizes") {
  // rows in packs and not, and wider than a warp takes
  for (const Shape& shape : {Shape{1}, Shape{0, 5}, Shape{3, 0}, Shape{31, 33}, Shape{2, 3, 129},
                             Shape{9, 64}, Shape{2, 1111}, Shape{2, 2056}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return softmax(in[0]); }, {shape}, {.low = -3, .high = 3});
  }
  check_op([](const Inputs& in) { return softmax(softmax(in[0])); }, {{5, 33}}, {.low = -3, .high = 3});
}

TEST_CASE("softmax: is its formula, over the last dimension") {
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const int64_t width : {1, 31, 33, 129, 1111}) {
        CAPTURE(name_of(device));
        CAPTURE(width);
        const Tensor x = random_tensor({7, width}, dtype, 1, -5, 5);
        const auto y = values(softmax(x.to(device))), exact = plain(values(x), static_cast<size_t>(width));
        // exponents to 2 ulp, their differences to an ulp of 10, a sum of few
        const double unit = (dtype == DType::bf16 ? 0x1p-8 : 0) + 64 * 0x1p-24;
        for (size_t i = 0; i < y.size(); ++i) CHECK(std::abs(y[i] - exact[i]) <= exact[i] * unit);
      }
}

TEST_CASE("softmax: large values, -inf and rows of nothing else") {
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
      if (dtype == DType::f64 && device != Device::cpu) continue;
      CAPTURE(name_of(device));
      CAPTURE(name_of(dtype));
      const double most = 1e38;
      // e^88.8 is beyond f32
      const std::vector<double> x{most, most,  -most, -kInf, -kInf, -kInf, -kInf, -kInf,
                                  -1e4, -kInf, -1e4,  -1e4,  -kInf, -most, -kInf, -most,
                                  1000, 1000,  -kInf, 0,     -most, -most, -most, -most};
      const std::vector<double> expected{0.5, 0.5, 0, 0,   0,   0,   0, 0, 1. / 3, 0,   1. / 3, 1. / 3,
                                         0,   0.5, 0, 0.5, 0.5, 0.5, 0, 0, .25,    .25, .25,    .25};
      Tensor leaf = rows_of(x, 4, dtype, device);
      leaf.set_requires_grad();
      const Tensor y = softmax(leaf);
      const auto found = values(y);
      for (size_t i = 0; i < x.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 0x1p-10);
      for (size_t row = 0; row < x.size(); row += 4) {
        if (row == 4) continue;  // of -inf alone
        CHECK(found[row] + found[row + 1] + found[row + 2] + found[row + 3] ==
              doctest::Approx(1).epsilon(2e-3));
      }
      backward(y, rows_of({1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}, 4, dtype,
                          device));
      const auto dx = values(leaf.grad());
      for (size_t i = 0; i < dx.size(); ++i) {
        CHECK(std::isfinite(dx[i]));
        if (expected[i] == 0) CHECK(dx[i] == 0);
      }
      CHECK(dx[0] == -0.25);  // 0.5 (1 - 1.5)
    }
}

TEST_CASE("softmax: NaN and +inf are not hidden") {
  for (const Device device : all_devices())
    for (const double wrong : {std::nan(""), kInf}) {
      std::vector<double> x(66, 0);
      x[40] = wrong;
      const auto y = values(softmax(rows_of(x, 33, DType::f32, device)));
      for (size_t i = 0; i < 33; ++i) {
        CHECK(y[i] == doctest::Approx(1.0 / 33));
        CHECK(std::isnan(y[33 + i]));
      }
    }
}

TEST_CASE("softmax: in place when x is handed over, never on a shared tensor") {
  for (const Device device : all_devices())
    for (const int64_t width : {33, 2056}) {
      const Tensor x = random_tensor({3, width}, DType::f32, 1).to(device), kept = x.clone(), y = softmax(x);
      CHECK(same_bits(x, kept));
      Tensor given = x.clone();
      const void* where = given.raw();
      const Tensor z = softmax(std::move(given));
      CHECK(z.raw() == where);
      CHECK(same_bits(z, y));
    }
}

TEST_CASE("softmax: a scalar is refused") {
  CHECK_THROWS_WITH_AS(softmax(Tensor::zeros({})), "softmax: x is a scalar, expected rows [..., D]", Error);
}
