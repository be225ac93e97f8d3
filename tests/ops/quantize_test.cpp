#include "ops/quantize.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/check.h"
#include "models/files/safetensors.h"
#include "ops/block_formats.h"
#include "ops/cast.h"
#include "tests/op_check.h"
#include "tests/ops/random_blocks.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("quantize: Q8_0 and Q4_0 are written as the gguf library writes them, to the byte") {
  const SafetensorsFile golden(SCCA_SOURCE_DIR "/tests/golden/gguf/encoded.safetensors");
  const StoredTensor& w = golden.tensors().at("w");
  std::vector<float> weights(static_cast<size_t>(numel(w.shape)));
  std::memcpy(weights.data(), w.data, w.bytes);
  for (const DType dtype : {DType::q8_0, DType::q4_0}) {
    INFO(std::string(name_of(dtype)));
    const auto count = static_cast<int64_t>(weights.size());
    std::vector<std::byte> bytes(row_bytes(dtype, count));
    REQUIRE(quantize_row(dtype, weights.data(), count, bytes.data()));
    const StoredTensor& expected = golden.tensors().at(stored_name(dtype));
    REQUIRE(bytes.size() == expected.bytes);
    CHECK(std::memcmp(bytes.data(), expected.data, bytes.size()) == 0);
  }
}

TEST_CASE("quantize: NF4 takes for each weight the nearest of what its block can say") {
  const Tensor weight = random_tensor({31, 192}, DType::f32, 7);
  const Tensor blocks = quantized(weight, DType::nf4);
  CHECK(blocks.bytes() == 31 * (4 + 3 * 33));
  const std::vector<double> exact = values(weight), read = values(cast(blocks, DType::f32));
  const auto* bytes = reinterpret_cast<const uint8_t*>(blocks.raw());
  for (int64_t row = 0; row < 31; ++row)
    for (int64_t i = 0; i < 192; ++i) {
      const uint8_t* at = bytes + row * 103;
      const uint8_t code = at[4 + i / 64 * 33];
      const double largest = static_cast<double>(std::bit_cast<float>(blocks::word_at(at))) * code * code;
      const auto place = static_cast<size_t>(row * 192 + i);
      double nearest = HUGE_VAL;
      for (int q = 0; q < 16; ++q)
        nearest = std::min(nearest, std::abs(exact[place] - blocks::Nf4::level(q) * largest));
      CHECK(std::abs(exact[place] - read[place]) <= nearest + 1e-6);
    }
}

TEST_CASE("quantize: NF4 keeps the largest value of a small block beside a large one, and zeros") {
  std::vector<float> row(192, 0.0f);
  row[3] = 1;            // block 0
  row[64 + 9] = -1e-4f;  // block 1, 10^4 times smaller: its scale is the square of 2 or 3 parts of 255
  const Tensor blocks = quantized(Tensor::of<float>(row, {1, 192}), DType::nf4);
  const std::vector<double> read = values(cast(blocks, DType::f32));
  CHECK(std::abs(read[3] - 1) < 1e-6);
  CHECK(std::abs(read[64 + 9] / -1e-4 - 1) < 0.4);
  for (size_t i = 128; i < 192; ++i) CHECK(read[i] == 0);
  CHECK(read[0] == 0);
  row[64 + 9] = -3e-6f;  // below the smallest scale: a part of it, not nothing
  CHECK(values(cast(quantized(Tensor::of<float>(row, {1, 192}), DType::nf4), DType::f32))[64 + 9] != 0);
  const Tensor nothing = quantized(Tensor::zeros({2, 64}), DType::nf4);
  for (const double w : values(cast(nothing, DType::f32))) CHECK(w == 0);
}

TEST_CASE("quantize: what was read is written as it was") {
  for (const DType dtype : {DType::q8_0, DType::nf4}) {
    const Tensor once = quantized(random_tensor({9, 128}, DType::f64, 3), dtype);
    const Tensor again = quantized(cast(once, DType::f32), dtype);
    CHECK(max_difference(cast(once, DType::f32), cast(again, DType::f32)) < 1e-6);
  }
}

TEST_CASE("quantize: what it cannot hold is refused, with its row") {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::vector<float> rows(3 * 64, 0.5f);
    rows[2 * 64 + 63] = bad;
    for (const DType dtype : {DType::q4_0, DType::q8_0, DType::nf4}) {
      const std::string expected = concat("quantize: row 2 of [3, 64] has a weight that ", name_of(dtype),
                                          " does not hold: not finite, or too large");
      CHECK_THROWS_WITH_AS(quantized(Tensor::of<float>(rows, {3, 64}), dtype), expected.c_str(), Error);
    }
  }
  const Tensor large = Tensor::full({1, 32}, 1e8);  // its scale is beyond f16
  CHECK_THROWS_AS(quantized(large, DType::q8_0), Error);
  CHECK_THROWS_WITH_AS(quantized(Tensor::zeros({2, 100}), DType::nf4),
                       "tensor: [2, 100] is no matrix with rows of whole blocks of 64, as nf4 needs them",
                       Error);
  CHECK_THROWS_WITH_AS(quantized(Tensor::zeros({2, 256}), DType::q4_k),
                       "quantize: q4_k is not made; expected q4_0, q8_0 or nf4", Error);
}
