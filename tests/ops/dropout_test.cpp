#include "ops/dropout.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

Tensor dropped(const Tensor& x, double p, uint64_t draw = 3) {
  set_random_state({42, draw});
  return dropout(x, p);
}

}  // namespace

TEST_CASE("dropout: gradients, precision and memory at odd sizes") {
  for (const Shape& shape : {Shape{1}, Shape{2, 31, 33}, Shape{129, 31}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return dropped(in[0], 0.3); }, {shape});
  }
}

TEST_CASE("dropout: element i reads philox(seed, i / 4, draw)[i % 4], at any thread count, on every device") {
  const double p = 0.3;
  const int before = omp_get_max_threads();
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const int threads : {1, 2, 5}) {
        CAPTURE(name_of(device));
        const Tensor x = Tensor::full({3, 2999}, 1, dtype, device);
        omp_set_num_threads(threads);
        const auto y = values(dropped(x, p));
        const double kept = values(Tensor::full({1}, static_cast<float>(1 / (1 - p)), dtype))[0];
        bool as_defined = true;
        for (size_t i = 0; i < y.size(); ++i) {
          const bool drop = uniform01(philox(42, i / 4, 3)[i % 4]) < p;
          as_defined &= y[i] == (drop ? 0 : kept);
        }
        CHECK(as_defined);
      }
  omp_set_num_threads(before);
}

TEST_CASE("dropout: the mask of a tensor that begins anywhere (rows of a larger one)") {
  const Tensor ones = Tensor::full({3, 33}, 1), whole = Tensor::full({1, 33}, 1);
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    CHECK(same_bits(dropped(ones.to(device).rows(1, 1), 0.3), dropped(whole, 0.3)));
  }
}

TEST_CASE("dropout: drops a share p and keeps the mean; each draw has its own mask") {
  constexpr int64_t n = 100000;
  const Tensor x = Tensor::full({n}, 1);
  for (const double p : {0.05, 0.5, 0.9}) {
    const auto y = values(dropped(x, p));
    const double share = static_cast<double>(std::count(y.begin(), y.end(), 0.0)) / n;
    CHECK(std::abs(share - p) <= 5 * std::sqrt(p * (1 - p) / n));  // five standard deviations
  }
  set_random_state({42, 0});
  const Tensor first = dropout(x, 0.5), second = dropout(x, 0.5);
  CHECK(random_state() == RandomState{42, 2});
  CHECK_FALSE(same_bits(first, second));
  CHECK(same_bits(dropped(x, 0), x));
}

TEST_CASE("dropout: in place when handed over, never on a shared tensor") {
  const Tensor x = random_tensor({2, 33}, DType::bf16, 1), kept = x.clone(), y = dropped(x, 0.5);
  CHECK(same_bits(x, kept));
  Tensor given = x.clone();
  const void* where = given.raw();
  set_random_state({42, 3});
  const Tensor z = dropout(std::move(given), 0.5);
  CHECK(z.raw() == where);
  CHECK(same_bits(z, y));
}

TEST_CASE("dropout: a probability outside [0, 1) is refused") {
  CHECK_THROWS_WITH_AS(dropout(Tensor::zeros({2}), 1.0), "dropout: probability 1, expected one in [0, 1)",
                       Error);
  CHECK_THROWS_AS(dropout(Tensor::zeros({2}), -0.1), Error);
  CHECK_THROWS_AS(dropout(Tensor::zeros({2}), std::nan("")), Error);
}
