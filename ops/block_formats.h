#pragma once
// Weights in few bits: what a row of each block dtype says. In ggml's formats a block of 32 or 256 weights
// shares a scale d, and in some a minimum m, each f16; a weight is d * q - m with q of 4 to 8 bits
// (github.com/ggml-org/ggml, docs/gguf.md and ggml-common.h, whose layouts these are). NF4 is QLoRA's
// (Dettmers et al., arXiv 2305.14314, section 3): q names one of 16 quantiles of the normal distribution, a
// block of 64 shares its largest absolute value, and that is kept in 8 bits (double quantisation).
//
// A format is a struct with a dtype and decode(row, run, weights), which reads the 32 weights from 32 * run
// on: the unit in which every format's bits repeat. CUDA's kernels call the same functions: all is constexpr.
#include <bit>
#include <cstdint>

#include "core/check.h"
#include "core/dtype.h"
#include "core/half.h"

namespace scca::blocks {

/// Weights that one call of decode() reads.
inline constexpr int kRun = 32;

constexpr float half_at(const uint8_t* at) { return from_half(static_cast<uint16_t>(at[0] | at[1] << 8)); }
constexpr uint32_t word_at(const uint8_t* at) {
  return at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}
constexpr int low(uint8_t byte) { return byte & 15; }
constexpr int high(uint8_t byte) { return byte >> 4; }

/// The block in which a run lies.
template <DType dtype>
constexpr const uint8_t* block_of(const uint8_t* row, int64_t run) {
  constexpr DTypeLayout layout = layout_of(dtype);
  return row + layout.head + run / (layout.elements / kRun) * static_cast<int64_t>(layout.bytes);
}

/// Q4_0, Q4_1, Q5_0, Q5_1: d [m] [32 fifth bits] 16 bytes, whose low halves are weights 0 to 15 and whose
/// high halves 16 to 31. Without m the numbers are signed about the middle.
template <DType dtype, bool has_minimum, bool has_fifth>
struct Small {
  static constexpr DType kDType = dtype;

  static constexpr void decode(const uint8_t* row, int64_t run, float* weights) {
    const uint8_t* block = block_of<dtype>(row, run);
    const float d = half_at(block), m = has_minimum ? half_at(block + 2) : 0;
    const uint8_t* at = block + (has_minimum ? 4 : 2);
    const uint32_t fifth = has_fifth ? word_at(at) : 0;
    if (has_fifth) at += 4;
    constexpr int middle = has_minimum ? 0 : has_fifth ? 16 : 8;
    for (int i = 0; i < 16; ++i) {
      const int first = low(at[i]) | static_cast<int>(fifth >> i & 1u) << 4;
      const int second = high(at[i]) | static_cast<int>(fifth >> (i + 16) & 1u) << 4;
      weights[i] = static_cast<float>(first - middle) * d;
      weights[i + 16] = static_cast<float>(second - middle) * d;
      if (has_minimum) {  // not of the others, whose -0 would become 0
        weights[i] += m;
        weights[i + 16] += m;
      }
    }
  }
};

/// Q8_0: d 32 signed bytes.
struct Q8_0 {
  static constexpr DType kDType = DType::q8_0;

  static constexpr void decode(const uint8_t* row, int64_t run, float* weights) {
    const uint8_t* block = block_of<kDType>(row, run);
    const float d = half_at(block);
    for (int i = 0; i < kRun; ++i) weights[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
  }
};

/// Q4_K, Q5_K: d m 12 bytes of groups [32 bytes of fifth bits] 128 bytes. A group of 32 has a scale and a
/// minimum of six bits each; 32 of the last bytes are two groups, low halves and high halves, and bit g of a
/// fifth byte belongs to group g.
template <DType dtype, bool has_fifth>
struct Large {
  static constexpr DType kDType = dtype;

  static constexpr void decode(const uint8_t* row, int64_t run, float* weights) {
    const uint8_t* block = block_of<dtype>(row, run);
    const int g = static_cast<int>(run % 8);
    const uint8_t *packed = block + 4, *fifth = block + 16;
    const uint8_t* fours = fifth + (has_fifth ? 32 : 0) + g / 2 * 32;
    const int scale = g < 4 ? packed[g] & 63 : low(packed[g + 4]) | packed[g - 4] >> 6 << 4;
    const int minimum = g < 4 ? packed[g + 4] & 63 : high(packed[g + 4]) | packed[g] >> 6 << 4;
    const float d = half_at(block) * static_cast<float>(scale);
    const float m = half_at(block + 2) * static_cast<float>(minimum);
    const int shift = g % 2 * 4;
    for (int i = 0; i < kRun; ++i) {
      int q = fours[i] >> shift & 15;
      if (has_fifth) q |= (fifth[i] >> g & 1) << 4;
      weights[i] = d * static_cast<float>(q) - m;
    }
  }
};

/// Q6_K: 128 bytes of low four bits, 64 of high two, 16 signed scales, d. Each half holds 128 weights:
/// quarter k of it has its low bits in bytes (k % 2) * 32 + i, its high bits at 2 k of byte i.
struct Q6_K {
  static constexpr DType kDType = DType::q6_k;

  static constexpr void decode(const uint8_t* row, int64_t run, float* weights) {
    const uint8_t* block = block_of<kDType>(row, run);
    const int half = static_cast<int>(run % 8 / 4), k = static_cast<int>(run % 4);
    const uint8_t *fours = block + half * 64 + k % 2 * 32, *twos = block + 128 + half * 32;
    const uint8_t* scales = block + 192 + half * 8 + 2 * k;
    const float d = half_at(block + 208);
    const int shift = k < 2 ? 0 : 4;
    for (int part = 0; part < 2; ++part) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(scales[part]));
      for (int i = part * 16; i < part * 16 + 16; ++i) {
        const int q = (fours[i] >> shift & 15) | (twos[i] >> 2 * k & 3) << 4;
        weights[i] = scale * static_cast<float>(q - 32);
      }
    }
  }
};

/// NF4: a row is an f32 s and blocks of 64 weights: a byte c and 32 bytes, whose low halves are weights 0 to
/// 15 and 32 to 47, whose high halves the others. Weight = level[q] * s c^2. That the largest value of a
/// block is kept as a square of 8 bits, in parts of its row's largest, makes small ones as exact as large
/// ones.
struct Nf4 {
  static constexpr DType kDType = DType::nf4;

  /// Quantiles of N(0, 1), scaled to [-1, 1], with an exact 0 (QLoRA, appendix E).
  static constexpr float level(int q) {
    constexpr float levels[16] = {-1.0f,
                                  -0.6961928009986877f,
                                  -0.5250730514526367f,
                                  -0.39491748809814453f,
                                  -0.28444138169288635f,
                                  -0.18477343022823334f,
                                  -0.09105003625154495f,
                                  0.0f,
                                  0.07958029955625534f,
                                  0.16093020141124725f,
                                  0.24611230194568634f,
                                  0.33791524171829224f,
                                  0.44070982933044434f,
                                  0.5626170039176941f,
                                  0.7229568362236023f,
                                  1.0f};
    return levels[q];
  }

  static constexpr void decode(const uint8_t* row, int64_t run, float* weights) {
    const uint8_t* block = block_of<kDType>(row, run);
    const float largest = std::bit_cast<float>(word_at(row)) * static_cast<float>(block[0] * block[0]);
    const uint8_t* fours = block + 1 + run % 2 * 16;
    for (int i = 0; i < 16; ++i) {
      weights[i] = level(low(fours[i])) * largest;
      weights[i + 16] = level(high(fours[i])) * largest;
    }
  }
};

// Structs, so that a kernel is called by its format in lists of kernels.
struct Q4_0 : Small<DType::q4_0, false, false> {};
struct Q4_1 : Small<DType::q4_1, true, false> {};
struct Q5_0 : Small<DType::q5_0, false, true> {};
struct Q5_1 : Small<DType::q5_1, true, true> {};
struct Q4_K : Large<DType::q4_k, false> {};
struct Q5_K : Large<DType::q5_k, true> {};

/// Calls f.template operator()<Format>() with a block dtype's format.
template <class F>
void visit(DType dtype, const char* op, F&& f) {
  const auto of = [&]<class... Format>() {
    return ((dtype == Format::kDType && (f.template operator()<Format>(), true)) || ...);
  };
  if (!of.template operator()<Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, Nf4>())
    fail(op, ": dtype ", name_of(dtype), ", expected one of blocks (q4_0 to q8_0, q4_k to q6_k, nf4)");
}

}  // namespace scca::blocks
