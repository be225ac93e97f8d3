#include "ops/sum.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("sum_last: gradients, precision and memory at odd sizes") {
  // no row, empty rows, rows in packs and not, and wider than a warp takes
  for (const Shape& shape : {Shape{1}, Shape{0, 3}, Shape{3, 0}, Shape{31, 33}, Shape{2, 3, 129},
                             Shape{9, 64}, Shape{2, 1111}, Shape{3, 2056}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return sum_last(in[0]); }, {shape});
  }
}

TEST_CASE("sum: gradients, precision and memory at odd sizes") {
  // one piece; two and a part; so many that their sums are in pieces too is a case of its own
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{0}, Shape{31, 33}, Shape{4096}, Shape{3, 3001}}) {
    CAPTURE(to_string(shape));
    check_op([](const Inputs& in) { return sum(in[0]); }, {shape}, {.f32_tolerance = 1e-4});
  }
}

TEST_CASE("sum: of rows and of all, shapes and values") {
  for (const Device device : all_devices()) {
    const Tensor x = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {2, 3}).to(device), rows = sum_last(x);
    CHECK(rows.shape() == Shape{2, 1});
    CHECK(values(rows) == std::vector<double>{6, 15});
    CHECK(sum(x).shape() == Shape{});
    CHECK(sum(x).item() == 21);
    CHECK(values(sum_last(Tensor::zeros({2, 0}, DType::f32, device))) == std::vector<double>{0, 0});
    CHECK(sum(Tensor::zeros({0}, DType::f32, device)).item() == 0);
  }
}

TEST_CASE("sum: bf16 is added in f32 and rounded once") {
  for (const Device device : all_devices()) {
    const Tensor x = Tensor::full({2, 6000}, 1, DType::bf16, device);
    CHECK(values(sum_last(x)) ==
          std::vector<double>{6016, 6016});  // 6000 in 8 bits; in bf16 it would stay at 256
    CHECK(sum(x).item() == 12032);
  }
}

TEST_CASE("sum: pieces of pieces, and the same bits for any number of threads") {
  const int64_t n = 4096 * 4096 + 5;  // 4097 pieces, whose sums are two pieces
  Tensor x = Tensor::full({n}, 0.25);
  for (const int64_t i : {int64_t{0}, int64_t{4096}, n - 1}) x.data<float>()[i] = 1.25f;
  CHECK(sum(x).item() == static_cast<double>(static_cast<float>(static_cast<double>(n) / 4 + 3)));
  const Tensor y = random_tensor({5, 30000}, DType::f32, 1);
  const int before = omp_get_max_threads();
  std::vector<Tensor> sums, rows;
  for (const int threads : {1, 3, 7}) {
    omp_set_num_threads(threads);
    sums.push_back(sum(y));
    rows.push_back(sum_last(y));
  }
  omp_set_num_threads(before);
  for (size_t i = 1; i < sums.size(); ++i) {
    CHECK(same_bits(sums[i], sums[0]));
    CHECK(same_bits(rows[i], rows[0]));
  }
  const auto all = values(y);
  double exact = 0;
  for (const double v : all) exact += v;
  CHECK(std::abs(sums[0].item() - exact) <= 500 * 0x1p-24 * 16);  // 150000 terms wander to about 220
}

TEST_CASE("sum: what has no rows or no sum is refused") {
  CHECK_THROWS_WITH_AS(sum_last(Tensor::zeros({})), "sum_last: x is a scalar, expected rows [..., D]", Error);
  CHECK_THROWS_WITH_AS(sum(Tensor::zeros({2}, DType::i32)), "sum: dtype i32, expected f32, bf16 or f64",
                       Error);
}
