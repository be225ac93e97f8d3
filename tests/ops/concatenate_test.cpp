#include "ops/concatenate.h"

#include <doctest/doctest.h>

#include "ops/mul.h"
#include "ops/slice.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("concatenate: gradients, precision and memory at odd sizes") {
  struct Case {
    std::vector<Shape> shapes;
    int64_t axis;
  };
  for (const Case& c : {Case{{{1}}, 0}, Case{{{31, 33}, {31, 1}}, 1}, Case{{{31, 33}, {1, 33}, {2, 33}}, 0},
                        Case{{{2, 3, 129}, {2, 5, 129}}, -2}, Case{{{2, 3, 16}, {2, 3, 64}}, -1},
                        Case{{{3, 2}, {3, 0}, {3, 1}}, 1}, Case{{{0, 4}, {0, 2}}, 1}}) {
    CAPTURE(to_string(c.shapes[0]));
    CAPTURE(c.axis);
    check_op([&c](const Inputs& in) { return concatenate(in, c.axis); }, c.shapes);
  }
  // a tensor twice: two gradients of one input meet
  check_op([](const Inputs& in) { return concatenate({in[0], mul(in[0], in[0]), in[0]}, 1); }, {{5, 33}});
}

TEST_CASE("concatenate: the parts lie one behind the other, of any dtype") {
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const Tensor a = Tensor::of<int32_t>({1, 2, 3, 4}, {2, 2}).to(device);
    const Tensor b = Tensor::of<int32_t>({5, 6}, {2, 1}).to(device), c = b.reshape({1, 2});
    CHECK(concatenate({a, b}, 1).shape() == Shape{2, 3});
    CHECK(values(concatenate({a, b}, -1)) == std::vector<double>{1, 2, 5, 3, 4, 6});
    CHECK(values(concatenate({c, a}, 0)) == std::vector<double>{5, 6, 1, 2, 3, 4});
    const Tensor x = random_tensor({3, 5, 24}, DType::bf16, 1).to(device);
    for (const int64_t axis : {0, 1, 2}) {
      const int64_t cut = axis == 2 ? 8 : 1;
      CHECK(
          same_bits(concatenate({slice(x, axis, 0, cut), slice(x, axis, cut, x.size(axis) - cut)}, axis), x));
    }
  }
}

TEST_CASE("concatenate: gradients are no views of the whole, and parts may be freed") {
  Tensor a = Tensor::zeros({1, 3}).set_requires_grad(), b = Tensor::zeros({50, 3}).set_requires_grad();
  const Tensor leaf = a;
  const auto memory = b.memory();
  const Tensor y = concatenate({a, b}, 0);
  b = Tensor();
  CHECK(memory.expired());
  const Tensor dy = Tensor::full({51, 3}, 2);
  backward(y, dy);
  CHECK(values(leaf.grad()) == std::vector<double>{2, 2, 2});
  CHECK_FALSE(leaf.grad().same_storage(dy));
}

TEST_CASE("concatenate: parts that do not fit are named") {
  const Tensor x = Tensor::zeros({2, 4});
  CHECK_THROWS_WITH_AS(concatenate({}, 0), "concatenate: no parts, expected one or more", Error);
  CHECK_THROWS_WITH_AS(
      concatenate({x, Tensor::zeros({3, 4})}, 1),
      "concatenate: part 1 is [3, 4] f32, part 0 is [2, 4] f32; they may differ in their size along "
      "axis 1 alone",
      Error);
  CHECK_THROWS_AS(concatenate({x, Tensor::zeros({2, 4}, DType::bf16)}, 1), Error);
  CHECK_THROWS_AS(concatenate({x, Tensor::zeros({4})}, 0), Error);
  CHECK_THROWS_AS(concatenate({x, Tensor::zeros({2, 4, 1})}, 0), Error);
  CHECK_THROWS_WITH_AS(concatenate({x}, 2), "concatenate: axis 2 of [2, 4], expected -2 to 1", Error);
}
