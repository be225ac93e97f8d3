#pragma once
// Sixteen-bit floating-point numbers that files and blocks of weights hold and no op computes with.
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace scca {

/// IEEE 754 binary16 as f32, exactly. (constexpr: so kernels on CUDA may call it.)
constexpr float from_half(uint16_t half) {
#if defined(__F16C__) && !defined(__CUDACC__)  // one instruction, with the same numbers
  if (!std::is_constant_evaluated()) {
    using Halves = short __attribute__((vector_size(16)));
    return __builtin_ia32_vcvtph2ps(Halves{static_cast<short>(half)})[0];
  }
#endif
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and the denormals: mantissa * 2^-24, exact in f32
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

/// The nearest binary16, ties to even; infinite from 65520 on.
inline uint16_t to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return sign | 0x7e00u;                  // not a number
  if (size >= 0x477ff000u) return sign | 0x7c00u;                 // 65520 and more
  if (size < 0x38800000u) {                                       // below 2^-14: denormal
    const float scaled = std::bit_cast<float>(size) * 0x1p24f;    // exact
    return sign | static_cast<uint16_t>(std::nearbyint(scaled));  // ties to even
  }
  const uint32_t rounded = size + 0xfffu + ((size >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded >> 13) - (uint32_t{127 - 15} << 10));
}

constexpr float from_bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace scca
