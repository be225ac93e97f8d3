#include "nn/lora.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"

using namespace scca;

TEST_CASE("lora: A begins uniform between -1/sqrt(in) and 1/sqrt(in), B with zeros") {
  set_random_state({3, 0});
  for (const int64_t in : {64, 500}) {
    CAPTURE(in);
    const Lora lora = Lora::initialised(in, 5, {.rank = 64});
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    // Each tenth of the range has its share, the outermost two too.
    constexpr int kParts = 10;
    std::vector<double> held(kParts);
    const std::vector<float> values = lora.a_RI.to_vector<float>();
    REQUIRE(std::ssize(values) == 64 * in);
    for (const float value : values) {
      REQUIRE(std::abs(value) <= static_cast<float>(bound));
      const double place = (value / bound + 1) / 2 * kParts;  // 0 to kParts
      ++held[static_cast<size_t>(std::min(place, kParts - 1.0))];
    }
    const double share = static_cast<double>(values.size()) / kParts;
    for (const double count : held) CHECK(std::abs(count - share) < 5 * std::sqrt(share));
    for (const float value : lora.b_OR.to_vector<float>()) CHECK(value == 0);
  }
}
