#include "ops/slice.h"

#include <doctest/doctest.h>
#include <omp.h>

#include "core/dispatch.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

/// y[o][p][i] = x[o][begin + p][i], element by element.
std::vector<double> plain(const Tensor& x, size_t outer, size_t size, size_t inner, size_t begin,
                          size_t count) {
  const auto xs = values(x);
  std::vector<double> y;
  for (size_t o = 0; o < outer; ++o)
    for (size_t p = begin; p < begin + count; ++p)
      for (size_t i = 0; i < inner; ++i) y.push_back(xs[(o * size + p) * inner + i]);
  return y;
}

}  // namespace

TEST_CASE("slice: gradients, precision and memory at odd sizes") {
  struct Case {
    Shape shape;
    int64_t axis, begin, count;
  };
  for (const Case& c :
       {Case{{1}, 0, 0, 1}, Case{{33}, 0, 31, 2}, Case{{31, 33}, 1, 0, 1}, Case{{31, 33}, 0, 30, 1},
        Case{{2, 5, 129}, 1, 1, 3}, Case{{2, 5, 129}, -1, 64, 65}, Case{{2, 3, 64}, -1, 16, 32},
        Case{{5, 17}, 1, 0, 16}, Case{{3, 4}, 1, 2, 0}, Case{{0, 4}, 1, 1, 2}}) {
    CAPTURE(to_string(c.shape));
    CAPTURE(c.axis);
    check_op([&c](const Inputs& in) { return slice(in[0], c.axis, c.begin, c.count); }, {c.shape});
  }
}

TEST_CASE("slice: takes what is named, of any dtype and along any axis") {
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::i32}) {
      if (dtype == DType::f64 && device != Device::cpu) continue;
      CAPTURE(name_of(device));
      CAPTURE(name_of(dtype));
      Tensor x = Tensor::empty({3, 8, 16}, dtype);
      visit_dtype(dtype, "test", [&]<class T>() {
        for (int64_t i = 0; i < x.numel(); ++i) x.data<T>()[i] = static_cast<T>(static_cast<float>(i % 251));
      });
      const Tensor there = x.to(device);
      CHECK(values(slice(there, 0, 1, 2)) == plain(x, 1, 3, 128, 1, 2));
      CHECK(values(slice(there, 1, 3, 4)) == plain(x, 3, 8, 16, 3, 4));
      CHECK(values(slice(there, 2, 8, 8)) ==
            plain(x, 24, 16, 1, 8, 8));  // 16 bytes at a time where it can be
      CHECK(values(slice(there, -1, 2, 14)) == plain(x, 24, 16, 1, 2, 14));
      CHECK(values(slice(there, -1, 15, 1)) == plain(x, 24, 16, 1, 15, 1));
      CHECK(values(slice(there, -2, 0, 8)) == values(x));
    }
}

TEST_CASE("slice: rows that threads share, and x may be freed") {
  const int before = omp_get_max_threads();
  const Tensor x = random_tensor({2, 70000}, DType::f32, 1);
  for (const int threads : {1, 3, 7}) {
    omp_set_num_threads(threads);
    CHECK(values(slice(x, 1, 7, 60001)) == plain(x, 2, 70000, 1, 7, 60001));
  }
  omp_set_num_threads(before);
  Tensor whole = Tensor::zeros({100, 100}).set_requires_grad();
  const auto memory = whole.memory();
  const Tensor part = slice(whole, 0, 3, 1);
  whole = Tensor();
  CHECK(memory.expired());  // a view, or a node that keeps x, would hold it
}

TEST_CASE("slice: places that are not there are refused") {
  const Tensor x = Tensor::zeros({2, 4});
  CHECK_THROWS_WITH_AS(slice(x, 1, 2, 3), "slice: 3 places from 2 along axis 1 of [2, 4], which has 4",
                       Error);
  CHECK_THROWS_AS(slice(x, 1, -1, 2), Error);
  CHECK_THROWS_AS(slice(x, 1, 1, -1), Error);
  CHECK_THROWS_AS(slice(x, 1, INT64_MAX, 1), Error);
  CHECK_THROWS_WITH_AS(slice(x, 2, 0, 1), "slice: axis 2 of [2, 4], expected -2 to 1", Error);
  CHECK_THROWS_AS(slice(x, -3, 0, 1), Error);
  CHECK_THROWS_WITH_AS(slice(Tensor::zeros({}), 0, 0, 1), "slice: axis 0 of []; a scalar has none", Error);
}
