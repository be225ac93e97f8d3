#include "ops/add.h"

#include <doctest/doctest.h>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("add: gradients, precision and memory at odd sizes") {
  for (const Shape& shape : {Shape{1}, Shape{31, 33}, Shape{2, 3, 129}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return add(in[0], in[1]); }, {shape, shape});
  }
  // both inputs the same: the gradient handles of one tensor meet, and are not written twice
  check_op([](const Inputs& in) { return add(add(in[0], in[0]), in[0]); }, {{31}});
}

TEST_CASE("add: in place when a is handed over, never on a shared tensor") {
  const Tensor a = random_tensor({33}, DType::f32, 1), b = random_tensor({33}, DType::f32, 2);
  const Tensor kept = a.clone(), y = add(a, b);
  CHECK(same_bits(a, kept));
  CHECK(y.data<float>()[7] == a.data<float>()[7] + b.data<float>()[7]);
  Tensor given = a.clone();
  const void* where = given.raw();
  const Tensor z = add(std::move(given), b);
  CHECK(z.raw() == where);
  CHECK(same_bits(z, y));
}

TEST_CASE("add: shapes and dtypes that differ are named") {
  CHECK_THROWS_WITH_AS(add(Tensor::zeros({2, 4}), Tensor::zeros({4})),
                       "add: [2, 4] f32 and [4] f32 differ; nothing is broadcast or cast", Error);
  CHECK_THROWS_AS(add(Tensor::zeros({4}), Tensor::zeros({4}, DType::bf16)), Error);
}
