#include "train/evaluation/statistics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Student's density from -t to t by Simpson's rule, and what is left of 1.
double p_by_integration(double t, double n) {
  const double scale =
      std::exp(std::lgamma((n + 1) / 2) - std::lgamma(n / 2)) / std::sqrt(n * std::numbers::pi);
  const auto density = [&](double x) { return scale * std::pow(1 + x * x / n, -(n + 1) / 2); };
  const int steps = 20000;
  double sum = density(0) + density(t);
  for (int i = 1; i < steps; ++i) sum += (i % 2 ? 4 : 2) * density(t * i / steps);
  return 1 - 2 * sum * t / steps / 3;
}

}  // namespace

TEST_CASE("statistics: Student's t is its closed form, its table and its integral") {
  for (const double t : {0.0, 0.3, 1.0, 2.0, 12.7, 1e3, 1e6}) {
    CAPTURE(t);
    CHECK(two_sided_p(t, 1) == doctest::Approx(2 / std::numbers::pi * std::atan2(1, t)).epsilon(1e-12));
    const double root = std::sqrt(2 + t * t);  // 1 - t / root, without a difference
    CHECK(two_sided_p(t, 2) == doctest::Approx(2 / (root * (root + t))).epsilon(1e-12));
    CHECK(two_sided_p(-t, 2) == two_sided_p(t, 2));
  }
  // The 0.975 quantiles of every textbook.
  CHECK(two_sided_p(2.228138852, 10) == doctest::Approx(0.05).epsilon(1e-8));
  CHECK(two_sided_p(2.042272456, 30) == doctest::Approx(0.05).epsilon(1e-8));
  CHECK(two_sided_p(1.959963985, std::numeric_limits<double>::infinity()) ==
        doctest::Approx(0.05).epsilon(1e-8));
  CHECK(two_sided_p(1.959963985, 1e9) == doctest::Approx(0.05).epsilon(1e-6));
  for (const double degrees : {1.37, 2.5, 7.25, 64.0})
    for (const double t : {0.1, 0.9, 2.6, 5.0})
      CHECK(two_sided_p(t, degrees) == doctest::Approx(p_by_integration(t, degrees)).epsilon(1e-7));
  CHECK(two_sided_p(std::numeric_limits<double>::infinity(), 3) == 0);
  CHECK(error_of([] { two_sided_p(1, 0); }).find("t 1 with 0 degrees of freedom") != std::string::npos);
  CHECK(!error_of([] { two_sided_p(std::nan(""), 3); }).empty());
}

TEST_CASE("statistics: Holm's correction, as R's p.adjust has it") {
  const auto close = [](const std::vector<double>& a, const std::vector<double>& b) {
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-12));
  };
  close(holm({0.01, 0.04, 0.03, 0.005}), {0.03, 0.06, 0.06, 0.02});
  close(holm({0.2, 0.5, 0.4}), {0.6, 0.8, 0.8});
  close(holm({0.5, 0.9}), {1, 1});
  close(holm({0.03}), {0.03});
  CHECK(holm({}).empty());
}
