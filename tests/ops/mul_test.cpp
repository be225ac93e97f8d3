#include "ops/mul.h"

#include <doctest/doctest.h>
#include <omp.h>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("mul: gradients, precision and memory at odd sizes") {
  const auto op = [](const Inputs& in) { return mul(in[0], in[1]); };
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{31, 33}, Shape{2, 3, 129}}) {
    CAPTURE(to_string(shape));
    check_op(op, {shape, shape});
  }
  // a factor for each row: no row, one row, rows in packs and not, and wider than a warp takes
  for (const Shape& shape : {Shape{0, 3}, Shape{33}, Shape{31, 33}, Shape{2, 3, 64}, Shape{3, 2056}}) {
    CAPTURE(to_string(shape));
    Shape factors = shape;
    factors.back() = 1;
    check_op(op, {shape, factors});
  }
}

TEST_CASE("mul: a tensor with itself, and inputs that die with the node") {
  check_op([](const Inputs& in) { return mul(mul(in[0], in[0]), in[0]); }, {{31}});
  // both are made inside the op, so the node holds their only handles, whose memory the gradients take
  check_op(
      [](const Inputs& in) {
        const Tensor a = mul(in[0], in[1]), b = mul(in[1], in[1]);
        return mul(a, b);
      },
      {{31, 33}, {31, 33}});
}

TEST_CASE("mul: each row has its own factor") {
  for (const Device device : all_devices()) {
    const Tensor x = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3}).to(device);
    const Tensor rows = Tensor::of<float>({10, -1}, {2, 1}).to(device);
    CHECK(values(mul(x, rows)) == std::vector<double>{10, 20, 30, -4, -5, -6});
    CHECK(values(mul(x, x)) == std::vector<double>{1, 4, 9, 16, 25, 36});
  }
}

TEST_CASE("mul: a row's gradient in bf16 is summed in f32") {
  const int64_t width = 1000;
  for (const Device device : all_devices()) {
    const Tensor x = Tensor::full({1, width}, 1, DType::bf16, device);
    Tensor factor = Tensor::full({1, 1}, 1, DType::bf16, device).set_requires_grad();
    backward(mul(x, factor), Tensor::full({1, width}, 1, DType::bf16, device));
    CHECK(values(factor.grad())[0] == 1000);  // a sum in bf16 would stay at 256
  }
}

TEST_CASE("mul: the same bits for any number of threads") {
  const Shape shape{3, 40000};  // rows that are shared by threads
  const Tensor x = random_tensor(shape, DType::f32, 1), dy = random_tensor(shape, DType::f32, 3);
  const int before = omp_get_max_threads();
  std::vector<Tensor> grads, outputs;
  for (const int threads : {1, 3, 7}) {
    omp_set_num_threads(threads);
    Tensor factor = random_tensor({3, 1}, DType::f32, 2);
    factor.set_requires_grad();
    outputs.push_back(mul(x, factor));
    backward(outputs.back(), dy);
    grads.push_back(factor.grad());
  }
  omp_set_num_threads(before);
  for (size_t i = 1; i < grads.size(); ++i) {
    CHECK(same_bits(grads[i], grads[0]));
    CHECK(same_bits(outputs[i], outputs[0]));
  }
  CHECK(values(outputs[0])[90000] ==
        doctest::Approx(values(x)[90000] * values(random_tensor({3, 1}, DType::f32, 2))[2]));
}

TEST_CASE("mul: in place when handed over and nothing is recorded") {
  const Tensor a = random_tensor({33}, DType::f32, 1), b = random_tensor({33}, DType::f32, 2);
  const Tensor kept = a.clone(), y = mul(a, b);
  CHECK(same_bits(a, kept));
  Tensor given = a.clone();
  const void* where = given.raw();
  const Tensor z = mul(std::move(given), b);
  CHECK(z.raw() == where);
  CHECK(same_bits(z, y));

  Tensor wanted = b.clone();
  wanted.set_requires_grad();
  given = a.clone();
  where = given.raw();
  CHECK(mul(std::move(given), wanted).raw() != where);  // its gradient reads a
}

TEST_CASE("mul: shapes and dtypes that do not fit are named") {
  CHECK_THROWS_WITH_AS(
      mul(Tensor::zeros({2, 4}), Tensor::zeros({4})),
      "mul: [2, 4] f32 and [4] f32; expected one dtype, and one shape or a last size of 1 in the second",
      Error);
  CHECK_THROWS_AS(mul(Tensor::zeros({2, 1}), Tensor::zeros({2, 4})), Error);  // the wide one comes first
  CHECK_THROWS_AS(mul(Tensor::zeros({3, 4}), Tensor::zeros({2, 1})), Error);
  CHECK_THROWS_AS(mul(Tensor::zeros({2, 3, 4}), Tensor::zeros({3, 1})), Error);
  CHECK_THROWS_AS(mul(Tensor::zeros({4}), Tensor::zeros({4}, DType::bf16)), Error);
}
