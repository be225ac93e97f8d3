#pragma once
// Bounds of what a flag may ask for: far above all that is of use, and low enough that what is counted of it
// fits 64 bits.
#include <cstdint>

namespace scca {

/// Of a count of anything: the product of two fits 64 bits.
inline constexpr int64_t kMostCount = 2147483647;
/// Of LoRA: beyond every width there is.
inline constexpr int64_t kMostRank = 1 << 16;
/// The longest sequence, in tokens.
inline constexpr int64_t kMostContext = 1 << 24;
/// The most tokens of a text.
inline constexpr int64_t kMostTextTokens = int64_t{1} << 40;

}  // namespace scca
