#include "core/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace scca;

// from_half over all 65536 stands in weights_test.
TEST_CASE("half: every half comes back, and what lies between two goes to the nearer, ties to the even one") {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {  // 0 to the largest finite
    const auto half = static_cast<uint16_t>(bits);
    const float here = from_half(half);
    REQUIRE(to_half(here) == half);
    REQUIRE(to_half(-here) == (half | 0x8000));
    if (bits == 0x7bff) break;
    const float above = from_half(static_cast<uint16_t>(bits + 1)), middle = (here + above) / 2;
    REQUIRE(to_half(middle) == (bits % 2 == 0 ? bits : bits + 1));
    REQUIRE(to_half(std::nextafter(middle, 0.0f)) == bits);
    REQUIRE(to_half(std::nextafter(middle, 1e9f)) == bits + 1);
  }
  CHECK(to_half(65519) == 0x7bff);
  CHECK(to_half(65520) == 0x7c00);
  CHECK(to_half(-1e30f) == 0xfc00);
  CHECK(std::isnan(from_half(to_half(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isinf(from_half(to_half(std::numeric_limits<float>::infinity()))));
}
