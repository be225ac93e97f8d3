#include "ops/cast.h"

#include <doctest/doctest.h>

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
