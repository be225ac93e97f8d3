#pragma once
// Element types and devices. f32 and bf16 are for work, f64 makes gradient checks exact (CPU only), i32 holds
// token ids.
#include <bit>
#include <cstddef>
#include <cstdint>

namespace scca {

enum class DType : uint8_t { f32, bf16, f64, i32 };
enum class Device : uint8_t { cpu, cuda };

/// The upper half of a float: 8 bits of exponent, 7 of mantissa. Rounds to nearest even; NaN stays NaN.
struct bf16 {
  uint16_t bits = 0;

  bf16() = default;
  explicit bf16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const bool is_nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = is_nan ? static_cast<uint16_t>((u >> 16) | 0x40u)
                  : static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  explicit bf16(double value) : bf16(static_cast<float>(value)) {}
  bf16(const bf16&) = default;
  /// By hand: GCC vectorises a loop that assigns the member, and none that assigns the struct.
  bf16& operator=(const bf16& other) {
    bits = other.bits;
    return *this;
  }
  operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

/// DTypeOf<float>::value == DType::f32, and so on.
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};

/// What a sum over T is kept in: double for f64, float for the rest.
template <class T>
struct AccumulatorOf {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

inline const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f64:
      return "f64";
    case DType::i32:
      return "i32";
  }
  return "unknown";
}
inline size_t size_of(DType dtype) { return dtype == DType::bf16 ? 2 : dtype == DType::f64 ? 8 : 4; }
inline const char* name_of(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

}  // namespace scca
