#pragma once
// Bounds far above every model, so that a mistyped number or hostile input cannot take all memory there is.
#include <cstdint>

namespace scca {

inline constexpr int64_t kMostLayers = 1 << 14;
inline constexpr int64_t kMostHeads = 1 << 16;

/// Throws UsageError for more tiles than a plan may have: chunks of one token in a sequence of millions.
void check_tiles(int64_t tiles);

}  // namespace scca
