#include "ops/quantize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/dispatch.h"
#include "core/parallel.h"
#include "ops/block_formats.h"

namespace scca {
namespace {

constexpr int kSmall = 32, kNormal = 64;  // weights of a block of ggml's small formats, of NF4

bool put_half(float value, std::byte* at) {
  const uint16_t bits = to_half(value);
  std::memcpy(at, &bits, sizeof bits);
  return std::isfinite(from_half(bits));
}

/// The weight that is furthest from 0 becomes -8, so that its sign costs no code.
bool encode_q4_0(const float* weights, std::byte* block) {
  float furthest = 0;
  for (int i = 0; i < kSmall; ++i)
    if (std::fabs(weights[i]) > std::fabs(furthest)) furthest = weights[i];
  const float d = furthest / -8, inverse = d != 0 ? 1 / d : 0;
  // By way of double, so that no compiler joins product and sum, which would round once less than ggml does.
  const auto code = [&](float w) {
    const auto product = static_cast<float>(static_cast<double>(w) * inverse);
    return std::min(15, static_cast<int>(product + 8.5f));
  };
  for (int i = 0; i < 16; ++i)
    block[2 + i] = static_cast<std::byte>(code(weights[i]) | code(weights[i + 16]) << 4);
  return put_half(d, block);
}

bool encode_q8_0(const float* weights, std::byte* block) {
  float most = 0;
  for (int i = 0; i < kSmall; ++i) most = std::max(most, std::fabs(weights[i]));
  const float d = most / 127, inverse = d != 0 ? 1 / d : 0;
  for (int i = 0; i < kSmall; ++i)
    block[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(weights[i] * inverse)));
  return put_half(d, block);
}

/// The level nearest to x, the lower one of two that are as near: how many of the middles between levels lie
/// below x.
int nearest_level(float x) {
  int q = 0;
  for (int i = 0; i < 15; ++i) q += x > (blocks::Nf4::level(i) + blocks::Nf4::level(i + 1)) / 2;
  return q;
}

float largest_of(const float* weights, int64_t count) {
  float most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, std::fabs(weights[i]));
  return most;
}

/// Codes are chosen by what the block's largest value is read as, not by what it was.
void encode_nf4(const float* weights, float scale, std::byte* block) {
  const float largest = largest_of(weights, kNormal);
  const int square = scale > 0 ? static_cast<int>(std::lround(std::sqrt(largest / scale))) : 0;
  const int code = std::clamp(square, largest > 0 ? 1 : 0, 255);
  const float read = scale * static_cast<float>(code * code), inverse = read > 0 ? 1 / read : 0;
  block[0] = static_cast<std::byte>(code);
  for (int run = 0; run < 2; ++run)
    for (int i = 0; i < 16; ++i) {
      const float* pair = weights + run * 32 + i;
      block[1 + run * 16 + i] =
          static_cast<std::byte>(nearest_level(pair[0] * inverse) | nearest_level(pair[16] * inverse) << 4);
    }
}

bool quantize_nf4(const float* weights, int64_t count, std::byte* row) {
  const float scale = largest_of(weights, count) / (255 * 255);
  std::memcpy(row, &scale, sizeof scale);
  row += layout_of(DType::nf4).head;
  for (int64_t i = 0; i < count; i += kNormal, row += layout_of(DType::nf4).bytes)
    encode_nf4(weights + i, scale, row);
  return true;
}

/// Blocks one by one.
template <DType dtype, auto encode>
bool quantize_blocks(const float* weights, int64_t count, std::byte* row) {
  constexpr DTypeLayout layout = layout_of(dtype);
  bool holds = true;
  for (int64_t i = 0; i < count; i += layout.elements, row += layout.bytes)
    holds = encode(weights + i, row) && holds;
  return holds;
}

using QuantizeRow = bool (*)(const float* weights, int64_t count, std::byte* row);

/// Null for what is not made here.
QuantizeRow encoder_of(DType dtype) {
  switch (dtype) {
    case DType::q4_0:
      return quantize_blocks<DType::q4_0, encode_q4_0>;
    case DType::q8_0:
      return quantize_blocks<DType::q8_0, encode_q8_0>;
    case DType::nf4:
      return quantize_nf4;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_quantize(DType dtype) { return encoder_of(dtype) != nullptr; }

bool quantize_row(DType dtype, const float* weights, int64_t count, std::byte* row) {
  SCCA_CHECK(can_quantize(dtype), "quantize: ", name_of(dtype), " is not made; expected q4_0, q8_0 or nf4");
  return std::all_of(weights, weights + count, [](float w) { return std::isfinite(w); }) &&
         encoder_of(dtype)(weights, count, row);
}

Tensor quantized(const Tensor& weight, DType dtype) {
  Tensor blocks = Tensor::empty(weight.shape(), dtype);
  if (!blocks.has_values()) return blocks;
  const int64_t rows = weight.size(0), width = weight.size(1);
  const auto bytes = static_cast<int64_t>(row_bytes(dtype, width));
  std::byte* to = blocks.raw();
  std::atomic<int64_t> refused = -1;
  visit_float(weight.dtype(), "quantize", [&]<class T>() {
    const T* from = weight.data<T>();
    parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> row(static_cast<size_t>(width));
      for (int64_t i = begin; i < end; ++i) {
        std::transform(from + i * width, from + (i + 1) * width, row.begin(),
                       [](T w) { return static_cast<float>(w); });
        if (!quantize_row(dtype, row.data(), width, to + i * bytes)) refused = i;
      }
    });
  });
  SCCA_CHECK(refused < 0, "quantize: row ", refused.load(), " of ", to_string(weight.shape()),
             " has a weight that ", name_of(dtype), " does not hold: not finite, or too large");
  return blocks;
}

}  // namespace scca
