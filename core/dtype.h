#pragma once
// Element types and devices. f32 and bf16 are for work, f64 makes gradient checks exact (CPU only), i32 holds
// token ids. The others keep frozen matrices in few bits, in blocks of a row's elements
// (ops/block_formats.h): products and look-ups read them, nothing writes them, and they have no gradient.
#include <bit>
#include <cstddef>
#include <cstdint>

namespace scca {

enum class DType : uint8_t { f32, bf16, f64, i32, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, nf4 };
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
  /// By way of float: rounded twice.
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

/// How elements lie in memory: each block of `elements` takes `bytes`, and a row of them begins with `head`
/// bytes.
struct DTypeLayout {
  const char* name;
  int64_t elements;
  size_t bytes, head;
};
constexpr DTypeLayout layout_of(DType dtype) {
  constexpr DTypeLayout layouts[] = {{"f32", 1, 4, 0},      {"bf16", 1, 2, 0},     {"f64", 1, 8, 0},
                                     {"i32", 1, 4, 0},      {"q4_0", 32, 18, 0},   {"q4_1", 32, 20, 0},
                                     {"q5_0", 32, 22, 0},   {"q5_1", 32, 24, 0},   {"q8_0", 32, 34, 0},
                                     {"q4_k", 256, 144, 0}, {"q5_k", 256, 176, 0}, {"q6_k", 256, 210, 0},
                                     {"nf4", 64, 33, 4}};
  return layouts[static_cast<size_t>(dtype)];
}
inline const char* name_of(DType dtype) { return layout_of(dtype).name; }
/// Whether elements stand in blocks, so that none has an address.
constexpr bool is_blocks(DType dtype) { return layout_of(dtype).elements > 1; }
/// Of an element that has an address.
constexpr size_t size_of(DType dtype) { return layout_of(dtype).bytes; }
/// Of a row of whole blocks.
constexpr size_t row_bytes(DType dtype, int64_t elements) {
  const DTypeLayout layout = layout_of(dtype);
  return layout.head + static_cast<size_t>(elements / layout.elements) * layout.bytes;
}
inline const char* name_of(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

}  // namespace scca
