#pragma once
// How far apart RoPE's rotations are: the inverse frequencies of a head's pairs, as trained or interpolated
// so that a longer sequence turns by angles the model has seen. With d = head_dim, b = theta, f = factor, L0
// = original_length, inv_i = b^(-2i/d) for 0 <= i < d/2 (ops/rope.h turns by position * inv_i):
//
// clang-format off
//   none      inv_i
//   linear    inv_i / f                                  position interpolation, Chen et al., arXiv 2306.15595
//   ntk       b' = b f^(d/(d-2))                         "NTK-aware", bloc97 2023
//   dynamic   b' = b (f L/L0 - (f-1))^(d/(d-2)), L = max(sequence, L0)
//   yarn      inv_i/f ramp_i + inv_i (1 - ramp_i), cos and sin times 0.1 ln f + 1   Peng et al., arXiv 2309.00071
//   llama3    inv_i/f for long wavelengths, inv_i for short ones, between them in between (LLaMA 3.1)
//   longrope  inv_i / factor list_i, the short list up to L0, else the long one; cos and sin times
//             sqrt(1 + ln f / ln L0)                     Ding et al., arXiv 2402.13753
// clang-format on
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace scca {

enum class RopeType : uint8_t { none, linear, ntk, dynamic, yarn, llama3, longrope };

const char* name_of(RopeType type);
/// The type of this name; "default" is Hugging Face's word for none. Empty for any other name.
std::optional<RopeType> rope_type_of(const std::string& name);
/// "none, linear, ntk, ...": for messages and help.
std::string rope_type_names();

struct RopeScaling {
  RopeType type = RopeType::none;
  double theta = 10000;
  double factor = 1;
  // tokens the model was pretrained with: L0 of dynamic, yarn, llama3 and longrope; no formula of linear's
  int64_t original_length = 0;
  // linear: config.json leaves open whether it is the length before or after scaling; taken as before
  bool original_assumed = false;
  // yarn, longrope: on cos and sin instead of the formula
  std::optional<double> attention_factor = {};
  // yarn: turns within L0 above and below which a component is kept, or interpolated whole; where both
  // mscales are given, the ratio of their formulas on cos and sin; whether the ramp is from whole to whole
  // component
  double beta_fast = 32, beta_slow = 1;
  std::optional<double> mscale = {}, mscale_all_dim = {};
  bool truncate = true;
  // llama3: turns within L0 below and above which a component is interpolated whole, or kept
  double low_freq_factor = 1, high_freq_factor = 4;
  // longrope: head_dim / 2 divisors each
  std::vector<double> short_factor = {}, long_factor = {};

  bool operator==(const RopeScaling&) const = default;
};

struct RopeFrequencies {
  std::vector<double> inverse;  // head_dim / 2 of them, radians a position
  double magnitude = 1;         // on cos and sin

  bool operator==(const RopeFrequencies&) const = default;
};

/// The frequencies for sequences of `tokens`; only dynamic and longrope look at `tokens`.
/// Throws Error ("rope: ...") for an odd or non-positive head_dim and for settings without a meaning.
RopeFrequencies inverse_frequencies(const RopeScaling& scaling, int64_t head_dim, int64_t tokens);

/// The theta that makes plain RoPE equal to ntk with this factor: b f^(d/(d-2)).
double ntk_theta(double theta, double factor, int64_t head_dim);

/// Throws what inverse_frequencies would.
void check_rope_scaling(const RopeScaling& scaling, int64_t head_dim);

}  // namespace scca
