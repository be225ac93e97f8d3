// The product of one row, which generation takes of every weight, against the same product in f64.
#include "ops/matmul_row.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "ops/matmul.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

Tensor wide(const Tensor& t) { return Tensor::of<double>(values(t), t.shape()); }

/// Of f32 or bf16 operands, into f32 or bf16.
void check_product(int64_t rows, int64_t depth, DType dtype, DType result, const MatmulOptions& options) {
  CAPTURE(rows);
  CAPTURE(depth);
  CAPTURE(std::string(name_of(dtype)));
  CAPTURE(std::string(name_of(result)));
  const Tensor a = random_tensor({1, depth}, dtype, 1), b = random_tensor({rows, depth}, dtype, 2);
  Tensor c = random_tensor({1, rows}, result, 3), exact = wide(c);
  matmul_into(a, b, c, options);
  matmul_into(wide(a), wide(b), exact, options);
  // products of at most 1 in f32, `depth` of them in some order; then one rounding
  const double sum = 0x1p-23 * static_cast<double>(depth);
  for (int64_t i = 0; i < rows; ++i) {
    const double is = values(c)[i], should = values(exact)[i];
    CHECK(std::abs(is - should) <= sum + (result == DType::bf16 ? 0x1p-8 * std::abs(should) : 0));
  }
}

}  // namespace

TEST_CASE("matmul_row: every depth's lanes, sums and rest, scaled and accumulated") {
  const MatmulOptions plain{.transpose_b = true};
  const MatmulOptions scaled{.transpose_b = true, .scale = -0.37, .accumulate = true};
  for (const int64_t depth : {0, 1, 8, 31, 64, 65, 79, 80, 129, 577}) {
    for (const int64_t rows : {1, 33, 129})
      for (const MatmulOptions& options : {plain, scaled}) {
        check_product(rows, depth, DType::f32, DType::f32, options);
        check_product(rows, depth, DType::bf16, DType::f32, options);
        check_product(rows, depth, DType::bf16, DType::bf16, options);
      }
  }
}

TEST_CASE("matmul_row: only one row, as it lies, by a matrix whose rows are summed over") {
  CHECK(cpu::is_one_row(1, {.transpose_b = true}));
  CHECK(!cpu::is_one_row(2, {.transpose_b = true}));
  CHECK(!cpu::is_one_row(1, {}));
  CHECK(!cpu::is_one_row(1, {.transpose_a = true, .transpose_b = true}));
}

TEST_CASE("matmul_row: the same bits at any thread count, asked for or not") {
  const Tensor a = random_tensor({1, 577}, DType::f32, 1), b = random_tensor({1031, 577}, DType::f32, 2);
  const int before = omp_get_max_threads();
  std::vector<Tensor> results;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    results.push_back(Tensor::empty({1, 1031}));
    matmul_into(a, b, results.back(), {.transpose_b = true});
  }
  omp_set_num_threads(before);
  CHECK(same_bits(results[0], results[1]));
  CHECK(same_bits(results[0], results[2]));
}
