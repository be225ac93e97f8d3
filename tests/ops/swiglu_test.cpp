#include "ops/swiglu.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("swiglu: gradients, precision and memory at odd sizes") {
  for (const Shape& shape : {Shape{1}, Shape{2, 31, 33}, Shape{129}, Shape{3, 129}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return swiglu(in[0], in[1]); }, {shape, shape}, {.low = -4, .high = 4});
  }
}

TEST_CASE("swiglu: gradients may take the memory of the inputs that die with the node") {
  // gate and up are made inside the op, so the node holds their only handles
  check_op(
      [](const Inputs& in) {
        const Tensor gate = swiglu(in[0], in[1]), up = swiglu(in[1], in[0]);
        return swiglu(gate, up);
      },
      {{31, 33}, {31, 33}}, {.low = -2, .high = 2});
}

TEST_CASE("swiglu: is its formula from -inf to +inf, in every dtype") {
  const std::vector<float> gates{-1e30f, -104.f, -88.f, -20.f, -1.f, -0.f,
                                 0.f,    1e-20f, 1.f,   20.f,  90.f, 1e30f};
  const int64_t n = static_cast<int64_t>(gates.size());
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16}) {
      CAPTURE(name_of(device));
      CAPTURE(name_of(dtype));
      Tensor gate = Tensor::empty({n}, dtype);
      for (int64_t i = 0; i < n; ++i) {
        if (dtype == DType::f32) gate.data<float>()[i] = gates[static_cast<size_t>(i)];
        if (dtype == DType::bf16) gate.data<bf16>()[i] = bf16(gates[static_cast<size_t>(i)]);
      }
      const auto g = values(gate), y = values(swiglu(gate.to(device), Tensor::full({n}, 2, dtype, device)));
      const double unit = dtype == DType::bf16 ? 0x1p-8 : 0x1p-24;
      for (size_t i = 0; i < g.size(); ++i) {
        const double exact = 2 * g[i] / (1 + std::exp(-g[i]));
        // exp to 2 ulp, then a sum, a quotient and a product; e^-g overflows to inf beyond 88.7, where y is
        // 1e-37
        CHECK(std::abs(y[i] - exact) <= std::abs(exact) * (unit + 8 * 0x1p-24) + 1e-36);
      }
    }
}

TEST_CASE("swiglu: in place when handed over and nothing is recorded") {
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const Tensor gate = random_tensor({33}, DType::f32, 1).to(device),
                 up = random_tensor({33}, DType::f32, 2).to(device);
    const Tensor kept = gate.clone(), y = swiglu(gate, up);
    CHECK(same_bits(gate, kept));
    Tensor given = gate.clone();
    const void* where = given.raw();
    const Tensor z = swiglu(std::move(given), up);
    CHECK(z.raw() == where);
    CHECK(same_bits(z, y));

    Tensor wanted = up.clone();
    wanted.set_requires_grad();
    given = gate.clone();
    where = given.raw();
    CHECK(swiglu(std::move(given), wanted).raw() != where);
  }
}

TEST_CASE("swiglu: shapes and dtypes that differ are named") {
  CHECK_THROWS_WITH_AS(swiglu(Tensor::zeros({2, 4}), Tensor::zeros({2, 3})),
                       "swiglu: gate is [2, 4] f32, up is [2, 3] f32; they must be alike", Error);
}
