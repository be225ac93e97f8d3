#pragma once
// Rotary position embedding (Su et al., arXiv 2104.09864, eq. 34), in the rotate-half layout of Hugging
// Face's LLaMA: component i turns together with i + K/2.
#include <span>
#include <vector>

#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// What a position turns by, [positions, K/2] each: cos and sin of position * frequency_i, times a magnitude.
/// f32, beside f64 activations f64.
struct RopeTable {
  Tensor cos, sin;
};

/// cos and sin of (position * inverse_frequency) * magnitude for positions 0 .. positions-1: computed in f64,
/// rounded once, since at position 30000 an f32 angle errs by a thousandth of a turn.
RopeTable rope_table(const std::vector<double>& inverse_frequencies, int64_t positions, double magnitude = 1,
                     DType dtype = DType::f32);

/// The same with a row for each of these positions, in their order.
RopeTable rope_table_at(const std::vector<double>& inverse_frequencies, std::span<const int64_t> positions,
                        double magnitude = 1, DType dtype = DType::f32);

/// x [B, T, H, K] at positions first_position + t; for i < K/2, with c, s of that position's row:
///   y[i] = x[i] c[i] - x[i + K/2] s[i],   y[i + K/2] = x[i + K/2] c[i] + x[i] s[i].
/// Its backward is the transposed rotation and saves nothing but the table. Works in place when the caller
/// hands over the only handle (std::move). Throws Error for an odd K, a table of another width, or positions
/// past its end.
Tensor rope(Tensor x_BTHK, const RopeTable& table, int64_t first_position = 0);

/// direction +1 turns, -1 turns back. y may be x.
SCCA_KERNELS(void rope_rotate(const Tensor& x, const RopeTable& table, int64_t first_position, int direction,
                              Tensor& y);)

}  // namespace scca
