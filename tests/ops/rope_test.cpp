#include "ops/rope.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

std::vector<double> frequencies(int64_t half) {
  std::vector<double> f;
  for (int64_t i = 0; i < half; ++i)
    f.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half)));
  return f;
}

RopeTable table_for(const Tensor& x, int64_t positions, double magnitude = 1) {
  const DType dtype = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const RopeTable table = rope_table(frequencies(x.size(3) / 2), positions, magnitude, dtype);
  return {table.cos.to(x.device()), table.sin.to(x.device())};
}

}  // namespace

TEST_CASE("rope: gradients, precision and memory at odd sizes") {
  for (const Shape& shape : {Shape{1, 1, 1, 2}, Shape{2, 31, 3, 6}, Shape{1, 33, 1, 66}, Shape{1, 129, 2, 2},
                             Shape{2, 5, 3, 16}, Shape{1, 3, 40, 128}}) {
    CAPTURE(to_string(shape));
    // a magnitude other than 1 tells the transpose (right) from the inverse
    check_op([](const Inputs& in) { return rope(in[0], table_for(in[0], in[0].size(1) + 5, 1.25), 5); },
             {shape});
  }
}

TEST_CASE("rope: is a complex rotation by position times frequency") {
  const int64_t half = 5;
  const Tensor x = random_tensor({2, 7, 3, 2 * half}, DType::f64, 1);
  const auto in = values(x), out = values(rope(x, table_for(x, 40), 30));
  for (size_t row = 0; row < 2 * 7 * 3; ++row) {
    const double position = 30 + static_cast<double>(row / 3 % 7);
    for (size_t i = 0; i < half; ++i) {
      const size_t at = row * 2 * half + i;
      const std::complex<double> turned =
          std::complex<double>(in[at], in[at + half]) * std::polar(1.0, position * frequencies(half)[i]);
      CHECK(out[at] == doctest::Approx(turned.real()).epsilon(1e-12));
      CHECK(out[at + half] == doctest::Approx(turned.imag()).epsilon(1e-12));
    }
  }
}

TEST_CASE("rope: a table of chosen positions has the long table's rows, to the bit") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const RopeTable all = rope_table(frequencies(5), 301, 1.25, dtype);
    const std::vector<int64_t> positions{0, 1, 7, 300, 7};
    const RopeTable some = rope_table_at(frequencies(5), positions, 1.25, dtype);
    REQUIRE(some.cos.shape() == Shape{5, 5});
    for (int64_t row = 0; row < 5; ++row) {
      const int64_t position = positions[static_cast<size_t>(row)];
      CHECK(same_bits(some.cos.rows(row, 1), all.cos.rows(position, 1)));
      CHECK(same_bits(some.sin.rows(row, 1), all.sin.rows(position, 1)));
    }
  }
}

TEST_CASE("rope: query . key depends on their distance only") {
  const Tensor q = random_tensor({1, 1, 1, 64}, DType::f64, 1),
               k = random_tensor({1, 1, 1, 64}, DType::f64, 2);
  const RopeTable table = table_for(q, 2000);
  const auto score = [&](int64_t query, int64_t key) {
    const auto a = values(rope(q, table, query)), b = values(rope(k, table, key));
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  CHECK(score(1913, 1870) == doctest::Approx(score(43, 0)).epsilon(1e-10));
}

TEST_CASE("rope: the table is rounded once from f64, far out too") {
  const RopeTable table = rope_table({0.7}, 40001);
  CHECK(table.cos.data<float>()[40000] == static_cast<float>(std::cos(40000 * 0.7)));
  CHECK(table.sin.data<float>()[40000] == static_cast<float>(std::sin(40000 * 0.7)));
}

TEST_CASE("rope: in place when handed over, never on a shared tensor; bf16 rounds once") {
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const Tensor x = random_tensor({1, 9, 2, 8}, DType::bf16, 1).to(device), kept = x.clone();
    const RopeTable table = table_for(x, 9);
    const Tensor y = rope(x, table);
    CHECK(same_bits(x, kept));
    const Tensor wide = Tensor::of<double>(values(x), x.shape());
    const auto exact = values(rope(wide, table_for(wide, 9))), rounded = values(y);
    for (size_t i = 0; i < exact.size(); ++i)  // half a unit of bf16, and f32's rounding of table and product
      CHECK(std::abs(rounded[i] - exact[i]) <= std::abs(exact[i]) * 0x1p-8 * 1.001 + 4 * 0x1p-24);
    Tensor given = x.clone();
    const void* where = given.raw();
    const Tensor z = rope(std::move(given), table);
    CHECK(z.raw() == where);
    CHECK(same_bits(z, y));
  }
}

TEST_CASE("rope: what does not fit is named") {
  const RopeTable table = rope_table({1, 0.1}, 8);
  CHECK_THROWS_WITH_AS(rope(Tensor::zeros({1, 5, 1, 4}), table, 4),
                       "rope: positions [4, 9) do not lie in the table's 8; make it for the longest context",
                       Error);
  CHECK_THROWS_AS(rope(Tensor::zeros({1, 5, 1, 3}), table), Error);
  CHECK_THROWS_AS(rope(Tensor::zeros({1, 5, 1, 6}), table), Error);
  CHECK_THROWS_AS(rope(Tensor::zeros({1, 5, 1, 4}, DType::f64), table), Error);
}
