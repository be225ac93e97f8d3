#pragma once
// Weights in few bits that no encoder of ours has made: every bit random but for the scales, which are small
// numbers.
#include <array>
#include <cstring>

#include "core/half.h"
#include "core/random.h"
#include "core/tensor.h"

namespace scca::test {

inline constexpr std::array kBlockDTypes{DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0,
                                         DType::q4_k, DType::q5_k, DType::q6_k, DType::nf4};

/// Where the f16 numbers of a block are; -1: none.
inline std::array<int, 2> places_of_halves(DType dtype) {
  if (dtype == DType::nf4) return {-1, -1};
  if (dtype == DType::q6_k) return {208, -1};
  const bool has_minimum =
      dtype == DType::q4_1 || dtype == DType::q5_1 || dtype == DType::q4_k || dtype == DType::q5_k;
  return {0, has_minimum ? 2 : -1};
}

inline Tensor random_blocks(const Shape& shape, DType dtype, uint64_t seed) {
  Tensor blocks = Tensor::empty(shape, dtype);
  std::byte* bytes = blocks.raw();
  for (size_t i = 0; i < blocks.bytes(); ++i) bytes[i] = static_cast<std::byte>(philox(seed, i)[0]);
  const DTypeLayout layout = layout_of(dtype);
  const size_t row_size = row_bytes(dtype, shape[1]);
  for (int64_t row = 0; row < shape[0]; ++row) {
    std::byte* at = bytes + static_cast<size_t>(row) * row_size;
    const float scale = 1e-5f + 1e-7f * static_cast<float>(row % 7);
    if (layout.head) std::memcpy(at, &scale, sizeof scale);
    at += layout.head;
    for (int64_t i = 0; i < shape[1]; i += layout.elements, at += layout.bytes)
      for (const int place : places_of_halves(dtype)) {
        const uint16_t half = to_half(0.01f + 0.001f * static_cast<float>((i + row) % 11));
        if (place >= 0) std::memcpy(at + place, &half, sizeof half);
      }
  }
  return blocks;
}

}  // namespace scca::test
