#include "ops/linear.h"

#include <doctest/doctest.h>
#include <omp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "ops/cast.h"
#include "ops/matmul.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("linear: gradients, precision and memory at odd sizes") {
  check_op([](const Inputs& in) { return linear(in[0], in[1]); }, {{1, 1}, {1, 1}});
  check_op([](const Inputs& in) { return linear(in[0], in[1]); }, {{2, 31, 33}, {129, 33}});
  check_op([](const Inputs& in) { return linear(in[0], in[1]); }, {{129, 31}, {1, 31}});
}

TEST_CASE("linear_add: gradients reach the base too, and a shared base is not written") {
  check_op([](const Inputs& in) { return linear_add(in[0], in[1], in[2], 0.5); },
           {{2, 31, 33}, {2, 31, 3}, {33, 3}});
  const Tensor base = random_tensor({4, 3}, DType::f32, 1), kept = base.clone();
  linear_add(base, random_tensor({4, 2}, DType::f32, 2), random_tensor({3, 2}, DType::f32, 3), 1);
  CHECK(same_bits(base, kept));
}

TEST_CASE("linear_add: a base handed over is updated in place") {
  Tensor base = random_tensor({4, 3}, DType::f32, 1);
  const void* where = base.raw();
  const Tensor y = linear_add(std::move(base), random_tensor({4, 2}, DType::f32, 2),
                              random_tensor({3, 2}, DType::f32, 3), 1);
  CHECK(y.raw() == where);
}

TEST_CASE("matmul: bf16 rounds once after f32 sums") {
  const Tensor a = random_tensor({31, 129}, DType::bf16, 1), b = random_tensor({33, 129}, DType::bf16, 2);
  const Tensor wide_a = Tensor::of<double>(values(a), a.shape()),
               wide_b = Tensor::of<double>(values(b), b.shape());
  const auto exact = values(linear(wide_a, wide_b)), y = values(linear(a, b));
  // half a unit of bf16, and f32's rounding of 129 terms of at most 1
  for (size_t i = 0; i < y.size(); ++i)
    CHECK(std::abs(y[i] - exact[i]) <= std::abs(exact[i]) * 0x1p-8 * 1.01 + 129 * 0x1p-23);
}

TEST_CASE("matmul: a transposed A whose rows lie 4 KiB apart is transposed first, to the same numbers") {
  for (const int64_t k : {1, 31, 33}) {
    const Tensor a = random_tensor({k, 2048}, DType::f32, 1), b = random_tensor({k, 5}, DType::f32, 2);
    Tensor c = Tensor::full({2048, 5}, 1), exact = Tensor::full({2048, 5}, 1, DType::f64);
    matmul_into(a, b, c, {.transpose_a = true, .scale = 0.5, .accumulate = true});
    matmul_into(Tensor::of<double>(values(a), a.shape()), Tensor::of<double>(values(b), b.shape()), exact,
                {.transpose_a = true, .scale = 0.5, .accumulate = true});
    CHECK(max_difference(c, exact) <= 35 * 0x1p-23);  // f32's rounding of at most 34 terms of at most 1
  }
}

TEST_CASE("matmul: a part of a matrix and a whole one of its sizes are told apart, whichever comes first") {
  const Tensor wide = random_tensor({31, 129}, DType::f32, 1), b = random_tensor({64, 33}, DType::f32, 2);
  Tensor whole = Tensor::empty({31, 64});
  for (int64_t i = 0; i < whole.numel(); ++i)
    whole.data<float>()[i] = wide.data<float>()[i / 64 * 129 + 7 + i % 64];
  MatmulWorkspace none;
  for (int round = 0; round < 2; ++round) {
    Tensor of_part = Tensor::empty({31, 33}), of_whole = Tensor::empty({31, 33}),
           into = Tensor::zeros({31, 70});
    cpu::matmul(MatrixPart(wide, 7, 64), b, of_part, {}, none);
    cpu::matmul(whole, b, of_whole, {}, none);
    cpu::matmul(whole, b, MatrixPart(into, 20, 33), {}, none);
    CHECK(max_difference(of_part, of_whole) < 1e-5);
    for (int64_t i = 0; i < 31 * 70; ++i) {
      const int64_t column = i % 70 - 20;
      const bool inside = column >= 0 && column < 33;
      CHECK(std::abs(into.data<float>()[i] - (inside ? of_whole.data<float>()[i / 70 * 33 + column] : 0)) <
            1e-5);
    }
  }
}

TEST_CASE("matmul: shapes that do not fit are named") {
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({2, 4}), Tensor::zeros({3, 5})),
                       "linear: x is [2, 4], weight is [3, 5]; x's last size must be weight's second", Error);
}

namespace {

class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace

TEST_CASE("matmul: the same bits at any thread count where they are asked for") {
  struct Case {
    int64_t m, k, n;
    DType dtype = DType::f32;
  };
  for (const auto& [m, k, n, dtype] :
       {Case{1, 64, 64}, Case{64, 64, 64}, Case{64, 64, 172}, Case{8, 172, 64}, Case{8, 2048, 256},
        Case{8, 8192, 16}, Case{33, 129, 31}, Case{5, 96, 3000}, Case{64, 64, 64, DType::bf16},
        Case{9, 33, 65, DType::f64}}) {
    CAPTURE(m);
    CAPTURE(k);
    CAPTURE(n);
    const Tensor a = random_tensor({m, k}, dtype, 1), b = random_tensor({n, k}, dtype, 2),
                 turned = random_tensor({k, n}, dtype, 3), start = random_tensor({m, n}, dtype, 4);
    const auto products = [&](int threads) {
      const Threads some(threads);
      std::vector<Tensor> made{start.clone(), start.clone()};
      matmul_into(a, b, made[0], {.transpose_b = true});
      matmul_into(a, turned, made[1], {.scale = 0.5, .accumulate = true});
      return made;
    };
    const std::vector<Tensor> plain = products(2);
    std::vector<Tensor> one;
    {
      const SameBitsAtAnyThreadCount guard;
      one = products(1);
      for (const int threads : {2, 3, 4, 5, 8, 16}) {
        const std::vector<Tensor> more = products(threads);
        for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], more[i]));
      }
    }
    // f32's rounding of k terms of at most 1, and bf16's of the result
    const double most =
        static_cast<double>(k) * (static_cast<double>(k) * 0x1p-24 + (dtype == DType::bf16 ? 0x1p-8 : 0));
    for (size_t i = 0; i < one.size(); ++i) CHECK(max_difference(one[i], plain[i]) <= most);
  }
}

TEST_CASE("matmul: a transposed operand whose rows lie a power of two apart, in several pieces") {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor a = random_tensor({1000, 3072}, dtype, 1), b = random_tensor({1000, 5}, dtype, 2);
    const Tensor start = random_tensor({3072, 5}, dtype, 3);
    const auto product = [&](DType with) {
      Tensor c = cast(start, with);
      matmul_into(cast(a, with), cast(b, with), c, {.transpose_a = true, .scale = 0.5, .accumulate = true});
      return c;
    };
    // f32's rounding of 1000 terms of at most 1, and bf16's of the result
    CHECK(max_difference(product(dtype), product(DType::f64)) <=
          1000 * (1000 * 0x1p-24 + (dtype == DType::bf16 ? 0x1p-8 : 0)) / 2);
  }
}

TEST_CASE("matmul: the same bits at any thread count also where oneDNN divides sums among threads") {
  // Its AVX2 code does, and a process says which code it takes before its first product.
  if (std::getenv("DNNL_MAX_CPU_ISA")) return;
  std::string self(4096, 0);
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  REQUIRE(length > 0);
  self.resize(static_cast<size_t>(length));
  const std::string command = "DNNL_MAX_CPU_ISA=AVX2 '" + self +
                              "' --no-intro --test-case='matmul: the same bits at any thread count where*'";
  FILE* output = popen(command.c_str(), "r");
  REQUIRE(output);
  std::string said(10000, 0);
  said.resize(std::fread(said.data(), 1, said.size(), output));
  CHECK(pclose(output) == 0);
  CHECK(said.find(" 1 passed") != std::string::npos);
}
