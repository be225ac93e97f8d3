#include "models/files/block_formats.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/files/half.h"

namespace scca {
namespace {

constexpr int kSmall = 32, kLarge = 256;

float half_at(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return from_half(bits);
}

void put_half(float value, std::byte* at) {
  const uint16_t bits = to_half(value);
  std::memcpy(at, &bits, sizeof bits);
}

int low(std::byte b) { return static_cast<int>(b) & 15; }
int high(std::byte b) { return static_cast<int>(b) >> 4; }
int bits_of(std::byte b) { return static_cast<int>(b); }
int signed_of(std::byte b) { return static_cast<int8_t>(b); }

/// Q4_0, Q4_1, Q5_0, Q5_1: d [m] [32 fifth bits] 16 bytes, whose low halves are weights 0 to 15 and whose
/// high halves 16 to 31. Without m the numbers are signed about the middle.
template <bool has_minimum, bool has_fifth>
void decode_small(const std::byte* block, float* weights) {
  const float d = half_at(block), m = has_minimum ? half_at(block + 2) : 0;
  const std::byte* at = block + (has_minimum ? 4 : 2);
  uint32_t fifth = 0;
  if (has_fifth) {
    std::memcpy(&fifth, at, sizeof fifth);
    at += sizeof fifth;
  }
  constexpr int middle = has_minimum ? 0 : has_fifth ? 16 : 8;
  for (int i = 0; i < kSmall; ++i) {
    const int four = i < 16 ? low(at[i]) : high(at[i - 16]);
    const int q = four | static_cast<int>((fifth >> i) & 1u) << 4;
    weights[i] = static_cast<float>(q - middle) * d;
    if (has_minimum) weights[i] += m;  // not of the others, whose -0 would become 0
  }
}

void decode_q8_0(const std::byte* block, float* weights) {
  const float d = half_at(block);
  for (int i = 0; i < kSmall; ++i) weights[i] = static_cast<float>(signed_of(block[2 + i])) * d;
}

/// The weight that is furthest from 0 becomes -8, so that its sign costs no code.
void encode_q4_0(const float* weights, std::byte* block) {
  float furthest = 0;
  for (int i = 0; i < kSmall; ++i)
    if (std::fabs(weights[i]) > std::fabs(furthest)) furthest = weights[i];
  const float d = furthest / -8, inverse = d != 0 ? 1 / d : 0;
  put_half(d, block);
  // By way of double, so that no compiler joins product and sum, which would round once less than ggml does.
  const auto code = [&](float w) {
    const auto product = static_cast<float>(static_cast<double>(w) * inverse);
    return std::min(15, static_cast<int>(product + 8.5f));
  };
  for (int i = 0; i < 16; ++i)
    block[2 + i] = static_cast<std::byte>(code(weights[i]) | code(weights[i + 16]) << 4);
}

void encode_q8_0(const float* weights, std::byte* block) {
  float most = 0;
  for (int i = 0; i < kSmall; ++i) most = std::max(most, std::fabs(weights[i]));
  const float d = most / 127, inverse = d != 0 ? 1 / d : 0;
  put_half(d, block);
  for (int i = 0; i < kSmall; ++i)
    block[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(weights[i] * inverse)));
}

/// The scale and minimum of one of eight groups of 32: six bits each, in twelve bytes.
struct Group {
  float scale, minimum;
};
Group group_of(const std::byte* packed, int group, float d, float m) {
  int scale, minimum;
  if (group < 4) {
    scale = bits_of(packed[group]) & 63;
    minimum = bits_of(packed[group + 4]) & 63;
  } else {
    scale = low(packed[group + 4]) | bits_of(packed[group - 4]) >> 6 << 4;
    minimum = high(packed[group + 4]) | bits_of(packed[group]) >> 6 << 4;
  }
  return {d * static_cast<float>(scale), m * static_cast<float>(minimum)};
}

/// Q4_K, Q5_K: d m 12 bytes of groups [32 bytes of fifth bits] 128 bytes; 32 of these are two groups, low
/// halves and high halves, and bit g of a fifth byte belongs to group g.
template <bool has_fifth>
void decode_large(const std::byte* block, float* weights) {
  const float d = half_at(block), m = half_at(block + 2);
  const std::byte *groups = block + 4, *fifth = block + 16, *fours = fifth + (has_fifth ? 32 : 0);
  for (int g = 0; g < 8; ++g) {
    const Group group = group_of(groups, g, d, m);
    for (int i = 0; i < 32; ++i) {
      const std::byte pair = fours[g / 2 * 32 + i];
      int q = g % 2 ? high(pair) : low(pair);
      if (has_fifth) q |= (bits_of(fifth[i]) >> g & 1) << 4;
      weights[g * 32 + i] = group.scale * static_cast<float>(q) - group.minimum;
    }
  }
}

/// Q6_K: 128 bytes of low four bits, 64 of high two, 16 signed scales, d. Each half holds 128 weights:
/// quarter k of it has its low bits in bytes (k % 2) * 32 + i, its high bits at 2 k of byte i.
void decode_q6_k(const std::byte* block, float* weights) {
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const std::byte *fours = block + half * 64, *twos = block + 128 + half * 32,
                    *scales = block + 192 + half * 8;
    for (int k = 0; k < 4; ++k)
      for (int i = 0; i < 32; ++i) {
        const std::byte pair = fours[k % 2 * 32 + i];
        const int q = (k < 2 ? low(pair) : high(pair)) | (bits_of(twos[i]) >> 2 * k & 3) << 4;
        weights[half * 128 + k * 32 + i] =
            d * static_cast<float>(signed_of(scales[i / 16 + 2 * k])) * static_cast<float>(q - 32);
      }
  }
}

constexpr BlockFormat kFormats[] = {
    {"Q4_0", 2, kSmall, 18, 2, decode_small<false, false>, encode_q4_0},
    {"Q4_1", 3, kSmall, 20, 3, decode_small<true, false>, nullptr},
    {"Q5_0", 6, kSmall, 22, 8, decode_small<false, true>, nullptr},
    {"Q5_1", 7, kSmall, 24, 9, decode_small<true, true>, nullptr},
    {"Q8_0", 8, kSmall, 34, 7, decode_q8_0, encode_q8_0},
    {"Q4_K", 12, kLarge, 144, 15, decode_large<false>, nullptr},
    {"Q5_K", 13, kLarge, 176, 17, decode_large<true>, nullptr},
    {"Q6_K", 14, kLarge, 210, 18, decode_q6_k, nullptr},
};

}  // namespace

std::span<const BlockFormat> block_formats() { return kFormats; }

const BlockFormat* block_format(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &BlockFormat::name);
  return found == std::end(kFormats) ? nullptr : &*found;
}

}  // namespace scca
