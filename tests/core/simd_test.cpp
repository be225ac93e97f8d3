#include "core/simd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace scca;
using simd::floats;

namespace {

/// Largest error of `approx` against `exact` in units of the exact result's last place, over [from, to].
template <class Approx, class Exact>
double worst_ulp(double from, double to, int steps, const Approx& approx, const Exact& exact) {
  double worst = 0;
  for (int i = 0; i <= steps; ++i) {
    const float x = static_cast<float>(from + (to - from) * i / steps);
    const double want = exact(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(want) - 23);
    worst = std::max(worst, std::abs(approx(simd::broadcast(x))[0] - want) / ulp);
  }
  return worst;
}

constexpr float kInf = std::numeric_limits<float>::infinity();
const float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("simd: exp is within 2 ulp of the double exp over its whole range") {
  const auto exact = [](double x) { return std::exp(x); };
  CHECK(worst_ulp(-87.33, 88.72, 2000003, simd::exp, exact) < 2);
  CHECK(worst_ulp(-1e-3, 1e-3, 20011, simd::exp, exact) < 2);
  CHECK(simd::exp(simd::broadcast(0))[0] == 1);
}

TEST_CASE("simd: exp2_softmax is within 2.5 ulp of the double exp2") {
  const auto exact = [](double x) { return std::exp2(x); };
  CHECK(worst_ulp(-125.99, 127, 2000003, simd::exp2_softmax, exact) < 2.5);
  CHECK(simd::exp2_softmax(simd::broadcast(0))[0] == 1);
}

TEST_CASE("simd: exp at the edges: infinities, overflow, underflow, NaN") {
  CHECK(simd::exp(simd::broadcast(-kInf))[0] == 0);
  CHECK(simd::exp(simd::broadcast(kInf))[0] == kInf);
  CHECK(simd::exp(simd::broadcast(89))[0] == kInf);
  CHECK(simd::exp(simd::broadcast(-88))[0] == 0);
  CHECK(simd::exp(simd::broadcast(-1e30f))[0] == 0);
  CHECK(std::isnan(simd::exp(simd::broadcast(not_a_number))[0]));
  CHECK(simd::exp2_softmax(simd::broadcast(-kInf))[0] == 0);
  CHECK(simd::exp2_softmax(simd::broadcast(-127))[0] == 0);
  CHECK(simd::exp2_softmax(simd::broadcast(-1e30f))[0] == 0);
  CHECK(std::isnan(simd::exp2_softmax(simd::broadcast(not_a_number))[0]));
}

TEST_CASE("simd: loads, stores and reductions handle every lane once") {
  std::vector<float> values(simd::kWidth + 1);
  for (int i = 0; i <= simd::kWidth; ++i) values[i] = static_cast<float>((i * 7) % 5 - 2 + i);
  float sum = 0, most = -kInf;
  for (int i = 1; i <= simd::kWidth; ++i) {
    sum += values[i];
    most = std::max(most, values[i]);
  }
  const floats v = simd::load(values.data() + 1);  // not aligned
  CHECK(simd::reduce_sum(v) == sum);
  CHECK(simd::reduce_max(v) == most);

  std::vector<float> back(simd::kWidth, -7);
  simd::store_first(back.data(), 3, v);
  CHECK(back[2] == values[3]);
  CHECK(back[3] == -7);
  const floats some = simd::load_first(values.data(), 2, 9.0f);
  CHECK(some[1] == values[1]);
  CHECK(some[simd::kWidth - 1] == 9);
}

TEST_CASE("simd: a lane of sum_rows is the sum of its row, to the bit") {
  floats rows[simd::kWidth], kept[simd::kWidth];
  for (int row = 0; row < simd::kWidth; ++row)
    for (int i = 0; i < simd::kWidth; ++i)
      kept[row][i] = rows[row][i] = std::sin(static_cast<float>(row * simd::kWidth + i));
  const floats sums = simd::sum_rows(rows);
  for (int row = 0; row < simd::kWidth; ++row) CHECK(sums[row] == simd::reduce_sum(kept[row]));
}

TEST_CASE("simd: pairs of bf16 are made, read and multiplied lane by lane") {
  constexpr int width = simd::kWidth;
  std::vector<bf16> first(width), second(width);
  std::vector<float> a(width), b(width), exact(width);
  for (int i = 0; i < width; ++i) {
    first[i] = bf16(0.37f * static_cast<float>(i - 3));
    second[i] = bf16(1.01f - 0.11f * static_cast<float>(i));
    a[i] = 1.0f + 0.00391f * static_cast<float>(i);  // between two bf16, and halfway: to even
    b[i] = -3.3f + 0.0117f * static_cast<float>(i);
    exact[i] = 0.5f + static_cast<float>(first[i]) * static_cast<float>(bf16(a[i])) +
               static_cast<float>(second[i]) * static_cast<float>(bf16(b[i]));
  }
  const simd::pairs none = simd::round_to_pairs(simd::broadcast(not_a_number), simd::broadcast(-kInf));
  CHECK((none[1] & 0x7fffu) > 0x7f80u);
  CHECK((none[1] >> 16) == 0xff80u);
  const simd::pairs rounded = simd::round_to_pairs(simd::load(a.data()), simd::load(b.data()));
  std::vector<simd::bf16_pair> pairs(width);
  simd::store(pairs.data(), rounded);
  std::vector<bf16> halves(width);
  simd::store_rounded(halves.data(), simd::load(a.data()));
  const floats sum =
      simd::fma(simd::pair_up(first.data(), second.data()), simd::load(pairs.data()), simd::broadcast(0.5f));
  const simd::pairs third = simd::broadcast(pairs[3]), some = simd::load_first(pairs.data(), 3);
  for (int i = 0; i < width; ++i) {
    CHECK(pairs[i].first.bits == bf16(a[i]).bits);
    CHECK(pairs[i].second.bits == bf16(b[i]).bits);
    CHECK(halves[i].bits == bf16(a[i]).bits);
    CHECK(std::abs(sum[i] - exact[i]) <= 4 * 0x1p-24f * (std::abs(exact[i]) + 8));  // three roundings in f32
    CHECK(third[i] == rounded[3]);
    CHECK(some[i] == (i < 3 ? rounded[i] : 0));
  }
}

TEST_CASE("simd: bf16 lanes convert as bf16(float) does") {
  std::vector<float> values(simd::kWidth);
  for (int i = 0; i < simd::kWidth; ++i) values[i] = 1.0f + 0.00391f * static_cast<float>(i);
  values[1] = not_a_number;
  values[2] = -kInf;
  std::vector<bf16> half(simd::kWidth);
  simd::store(half.data(), simd::load(values.data()));
  const floats back = simd::load(half.data());
  for (int i = 0; i < simd::kWidth; ++i) {
    CHECK(half[i].bits == bf16(values[i]).bits);
    if (i != 1) CHECK(back[i] == static_cast<float>(half[i]));
  }
  CHECK(std::isnan(back[1]));
}
