// Registers of weights against one weight at a time.
#include "ops/block_registers.h"

#include <doctest/doctest.h>

#include <bit>

#include "tests/ops/random_blocks.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("block registers: every bit of a run as one weight at a time has it, in every format") {
  constexpr int64_t rows = 3, width = 1024;
  for (const DType dtype : kBlockDTypes) {
    CAPTURE(name_of(dtype));
    const Tensor random = random_blocks({rows, width}, dtype, 5);
    const auto* bytes = reinterpret_cast<const uint8_t*>(random.raw());
    blocks::visit(dtype, "test", [&]<class Format>() {
      for (int64_t row = 0; row < rows; ++row) {
        const uint8_t* at = bytes + row * static_cast<int64_t>(row_bytes(dtype, width));
        for (int64_t run = 0; run < width / blocks::kRun; ++run) {
          float expected[blocks::kRun];
          blocks::decode<Format>(at, run, expected);
          int seen = 0;
          blocks::for_each_register<Format>(at, run, [&](int first, simd::floats weights) {
            CHECK(first == seen);
            for (int i = 0; i < simd::kWidth; ++i, ++seen)
              CHECK(std::bit_cast<uint32_t>(float{weights[i]}) == std::bit_cast<uint32_t>(expected[seen]));
          });
          CHECK(seen == blocks::kRun);
        }
      }
    });
  }
}
