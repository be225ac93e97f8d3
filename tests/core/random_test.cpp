#include "core/random.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("philox: the known answers of Random123's kat_vectors") {
  CHECK(philox(0, 0, 0) == Philox{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox(~0ull, ~0ull, ~0ull) == Philox{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull) ==
        Philox{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a fill depends on seed and draw alone, not on threads") {
  set_random_state({3, 0});
  Tensor a = Tensor::empty({100003}), b = Tensor::empty({100003});
  fill_normal(a, 2);
  fill_uniform(b, -1, 1);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  set_random_state({3, 0});
  Tensor c = Tensor::empty({100003}), d = Tensor::empty({100003});
  fill_normal(c, 2);
  fill_uniform(d, -1, 1);
  omp_set_num_threads(threads);
  CHECK(same_bits(a, c));
  CHECK(same_bits(b, d));
  CHECK(random_state() == RandomState{3, 2});
}

TEST_CASE("random: moments of 100003 numbers lie within five standard errors") {
  set_random_state({5, 0});
  Tensor t = Tensor::empty({100003}, DType::f64);
  const auto moments = [&] {
    double mean = 0, square = 0;
    for (const double x : values(t)) mean += x, square += x * x;
    return std::pair(mean / 100003, square / 100003);
  };
  fill_normal(t, 1);
  CHECK(std::abs(moments().first) < 5 / std::sqrt(100003.0));
  CHECK(std::abs(moments().second - 1) < 5 * std::sqrt(2 / 100003.0));
  fill_uniform(t, 0, 1);
  CHECK(std::abs(moments().first - 0.5) < 5 * std::sqrt(1.0 / 12 / 100003));
  for (const double x : values(t)) REQUIRE((x >= 0 && x < 1));
}
