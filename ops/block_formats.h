#pragma once
// Weights in few bits: what a row of each block dtype says. In ggml's formats a block of 32 or 256 weights
// shares a scale d, and in some a minimum m, each f16; a weight is d * q - m with q of 4 to 8 bits
// (github.com/ggml-org/ggml, docs/gguf.md and ggml-common.h, whose layouts these are). NF4 is QLoRA's
// (Dettmers et al., arXiv 2305.14314, section 3): q names one of 16 quantiles of the normal distribution, a
// block of 64 shares its largest absolute value, and that is kept in 8 bits (double quantisation).
//
// A format is a struct with a dtype, made for a row and a run of 32 weights in it, the unit in which every
// format's bits repeat. weights<Lanes>(first) reads as many of them at a time as Lanes has: OneLane here, on
// CUDA too since all is constexpr, and a register of them on the CPU (ops/block_registers.h). Sixteen weights
// that begin at 0 or 16 are read alike, so that a register of up to 16 is.
#include <bit>
#include <cstdint>

#include "core/check.h"
#include "core/dtype.h"
#include "core/half.h"

namespace scca::blocks {

inline constexpr int kRun = 32;

/// One weight at a time.
struct OneLane {
  using Ints = int32_t;
  using Floats = float;

  static constexpr Ints bytes(const uint8_t* at) { return *at; }
  static constexpr Ints signed_bytes(const uint8_t* at) { return static_cast<int8_t>(*at); }
  /// Bits `first` on of a word, one a lane.
  static constexpr Ints bits(uint32_t word, int first) { return static_cast<int32_t>(word >> first & 1u); }
  static constexpr Floats numbers(Ints q) { return static_cast<float>(q); }
  /// Table::level(q) of a q from 0 to 15.
  template <class Table>
  static constexpr Floats levels(Ints q) {
    return Table::level(q);
  }
};

constexpr float half_at(const uint8_t* at) { return from_half(static_cast<uint16_t>(at[0] | at[1] << 8)); }
constexpr uint32_t word_at(const uint8_t* at) {
  return at[0] | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}
constexpr int low(uint8_t byte) { return byte & 15; }
constexpr int high(uint8_t byte) { return byte >> 4; }

/// Of a run's 16 bytes: their low halves are weights 0 to 15, their high halves 16 to 31.
template <class Lanes>
constexpr typename Lanes::Ints halves(const uint8_t* sixteen, int first) {
  return first < 16 ? Lanes::bytes(sixteen + first) & 15 : Lanes::bytes(sixteen + first - 16) >> 4;
}

/// The block in which a run lies.
template <DType dtype>
constexpr const uint8_t* block_of(const uint8_t* row, int64_t run) {
  constexpr DTypeLayout layout = layout_of(dtype);
  return row + layout.head + run / (layout.elements / kRun) * static_cast<int64_t>(layout.bytes);
}

/// Q4_0, Q4_1, Q5_0, Q5_1: d [m] [32 fifth bits] 16 bytes of halves. Without m the numbers are signed about
/// the middle.
template <DType dtype, bool has_minimum, bool has_fifth>
struct Small {
  static constexpr DType kDType = dtype;

  constexpr Small(const uint8_t* row, int64_t run) {
    const uint8_t* block = block_of<dtype>(row, run);
    d = half_at(block);
    if (has_minimum) m = half_at(block + 2);
    fours = block + (has_minimum ? 4 : 2);
    if (!has_fifth) return;
    fifth = word_at(fours);
    fours += 4;
  }

  template <class Lanes>
  constexpr typename Lanes::Floats weights(int first) const {
    constexpr int middle = has_minimum ? 0 : has_fifth ? 16 : 8;
    typename Lanes::Ints q = halves<Lanes>(fours, first);
    if (has_fifth) q |= Lanes::bits(fifth, first) << 4;
    const typename Lanes::Floats w = Lanes::numbers(q - middle) * d;
    if constexpr (has_minimum) return w + m;  // not of the others, whose -0 would become 0
    return w;
  }

 private:
  float d = 0, m = 0;
  uint32_t fifth = 0;
  const uint8_t* fours = nullptr;
};

/// Q8_0: d 32 signed bytes.
struct Q8_0 {
  static constexpr DType kDType = DType::q8_0;

  constexpr Q8_0(const uint8_t* row, int64_t run) : block(block_of<kDType>(row, run)), d(half_at(block)) {}

  template <class Lanes>
  constexpr typename Lanes::Floats weights(int first) const {
    return Lanes::numbers(Lanes::signed_bytes(block + 2 + first)) * d;
  }

 private:
  const uint8_t* block;
  float d;
};

/// Q4_K, Q5_K: d m 12 bytes of groups [32 bytes of fifth bits] 128 bytes. A group of 32 has a scale and a
/// minimum of six bits each; 32 of the last bytes are two groups, low halves and high halves, and bit g of a
/// fifth byte belongs to group g.
template <DType dtype, bool has_fifth>
struct Large {
  static constexpr DType kDType = dtype;

  constexpr Large(const uint8_t* row, int64_t run) : g(static_cast<int>(run % 8)) {
    const uint8_t* block = block_of<dtype>(row, run);
    const uint8_t* packed = block + 4;
    fifth = block + 16;
    fours = fifth + (has_fifth ? 32 : 0) + g / 2 * 32;
    const int scale = g < 4 ? packed[g] & 63 : low(packed[g + 4]) | packed[g - 4] >> 6 << 4;
    const int minimum = g < 4 ? packed[g + 4] & 63 : high(packed[g + 4]) | packed[g] >> 6 << 4;
    d = half_at(block) * static_cast<float>(scale);
    m = half_at(block + 2) * static_cast<float>(minimum);
  }

  template <class Lanes>
  constexpr typename Lanes::Floats weights(int first) const {
    typename Lanes::Ints q = Lanes::bytes(fours + first) >> (g % 2 * 4) & 15;
    if (has_fifth) q |= (Lanes::bytes(fifth + first) >> g & 1) << 4;
    return Lanes::numbers(q) * d - m;
  }

 private:
  int g;
  float d = 0, m = 0;
  const uint8_t *fifth = nullptr, *fours = nullptr;
};

/// Q6_K: 128 bytes of low four bits, 64 of high two, 16 signed scales, d. Each half holds 128 weights:
/// quarter k of it has its low bits in bytes (k % 2) * 32 + i, its high bits at 2 k of byte i.
struct Q6_K {
  static constexpr DType kDType = DType::q6_k;

  constexpr Q6_K(const uint8_t* row, int64_t run) : k(static_cast<int>(run % 4)) {
    const uint8_t* block = block_of<kDType>(row, run);
    const int half = static_cast<int>(run % 8 / 4);
    fours = block + half * 64 + k % 2 * 32;
    twos = block + 128 + half * 32;
    const uint8_t* scales = block + 192 + half * 8 + 2 * k;
    const float d = half_at(block + 208);
    for (int part = 0; part < 2; ++part)
      scale[part] = d * static_cast<float>(static_cast<int8_t>(scales[part]));
  }

  template <class Lanes>
  constexpr typename Lanes::Floats weights(int first) const {
    const typename Lanes::Ints q = (Lanes::bytes(fours + first) >> (k < 2 ? 0 : 4) & 15) |
                                   (Lanes::bytes(twos + first) >> 2 * k & 3) << 4;
    return Lanes::numbers(q - 32) * scale[first / 16];
  }

 private:
  int k;
  float scale[2] = {};
  const uint8_t *fours = nullptr, *twos = nullptr;
};

/// NF4: a row is an f32 s and blocks of 64 weights: a byte c and twice 16 bytes of halves. Weight =
/// level[q] * s c^2. That the largest value of a block is kept as a square of 8 bits, in parts of its row's
/// largest, makes small ones as exact as large ones.
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

  constexpr Nf4(const uint8_t* row, int64_t run) {
    const uint8_t* block = block_of<kDType>(row, run);
    largest = std::bit_cast<float>(word_at(row)) * static_cast<float>(block[0] * block[0]);
    fours = block + 1 + run % 2 * 16;
  }

  template <class Lanes>
  constexpr typename Lanes::Floats weights(int first) const {
    return Lanes::template levels<Nf4>(halves<Lanes>(fours, first)) * largest;
  }

 private:
  float largest = 0;
  const uint8_t* fours = nullptr;
};

// Structs, so that a kernel is called by its format in lists of kernels.
struct Q4_0 : Small<DType::q4_0, false, false> {
  using Small::Small;
};
struct Q4_1 : Small<DType::q4_1, true, false> {
  using Small::Small;
};
struct Q5_0 : Small<DType::q5_0, false, true> {
  using Small::Small;
};
struct Q5_1 : Small<DType::q5_1, true, true> {
  using Small::Small;
};
struct Q4_K : Large<DType::q4_k, false> {
  using Large::Large;
};
struct Q5_K : Large<DType::q5_k, true> {
  using Large::Large;
};

/// A run's 32 weights, one at a time.
template <class Format>
constexpr void decode(const uint8_t* row, int64_t run, float* weights) {
  const Format format(row, run);
  for (int i = 0; i < kRun; ++i) weights[i] = format.template weights<OneLane>(i);
}

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
