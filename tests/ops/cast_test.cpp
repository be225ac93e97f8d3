#include "ops/cast.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("cast: rounds once, and widening is exact") {
  const Tensor x = random_tensor({3, 129}, DType::f32, 1);
  const Tensor low = cast(x, DType::bf16);
  CHECK(low.shape() == x.shape());
  for (int64_t i = 0; i < x.numel(); ++i) CHECK(low.data<bf16>()[i].bits == bf16(x.data<float>()[i]).bits);
  CHECK(values(cast(low, DType::f32)) == values(low));
  CHECK(values(cast(x, DType::f64)) == values(x));
}

TEST_CASE("cast: the same bits on every device, NaN and infinities too") {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> special{inf,         -inf,       std::numeric_limits<float>::max(), 1e-40f, -0.0f,
                                   1.00390625f, 1.01171875f};
  Tensor x = random_tensor({3, 129}, DType::f32, 1);
  std::copy(special.begin(), special.end(), x.data<float>());
  const Tensor low = cast(x, DType::bf16);
  for (const Device device : other_devices()) {
    CHECK(same_bits(cast(x.to(device), DType::bf16), low));
    CHECK(same_bits(cast(low.to(device), DType::f32), cast(low, DType::f32)));
    CHECK(std::isnan(cast(Tensor::full({1}, std::nan(""), DType::f32, device), DType::bf16).item()));
    CHECK_THROWS_WITH_AS(cast(x.to(device), DType::f64),
                         "cast: f64 on CUDA, expected f32 or bf16; f64 is for exact checks on the CPU",
                         Error);
  }
}

TEST_CASE("cast: the same dtype is the same tensor") {
  const Tensor x = random_tensor({31}, DType::f32, 1);
  CHECK(cast(x, DType::f32).same_storage(x));
}

TEST_CASE("cast: the gradient comes back in the input's dtype") {
  Tensor x = random_tensor({31}, DType::f32, 1);
  x.set_requires_grad();
  const Tensor dy = random_tensor({31}, DType::bf16, 2);
  backward(cast(x, DType::bf16), dy);
  CHECK(x.grad().dtype() == DType::f32);
  CHECK(values(x.grad()) == values(dy));
}

TEST_CASE("cast: token ids are not values") {
  CHECK_THROWS_AS(cast(Tensor::zeros({2}, DType::i32), DType::f32), Error);
}
