#include "nn/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"

namespace scca {
namespace {

constexpr RopeType kTypes[] = {RopeType::none, RopeType::linear, RopeType::ntk,     RopeType::dynamic,
                               RopeType::yarn, RopeType::llama3, RopeType::longrope};

std::vector<double> plain(double theta, int64_t head_dim) {
  std::vector<double> inverse(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < inverse.size(); ++i)
    inverse[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
  return inverse;
}

RopeFrequencies yarn(const RopeScaling& s, int64_t head_dim) {
  const double d = static_cast<double>(head_dim), length = static_cast<double>(s.original_length);
  // The component that turns n times within the original length.
  const auto component = [&](double n) {
    return d * std::log(length / (n * 2 * std::numbers::pi)) / (2 * std::log(s.theta));
  };
  double low = component(s.beta_fast), high = component(s.beta_slow);
  if (s.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, d - 1);
  if (low == high) high += 0.001;  // transformers' way out of 0/0

  RopeFrequencies result{plain(s.theta, head_dim)};
  for (size_t i = 0; i < result.inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    result.inverse[i] *= ramp / s.factor + (1 - ramp);
  }
  const auto scale = [&](double m) { return s.factor <= 1 ? 1.0 : 0.1 * m * std::log(s.factor) + 1; };
  result.magnitude = scale(1);
  if (s.mscale.value_or(0) != 0 && s.mscale_all_dim.value_or(0) != 0)
    result.magnitude = scale(*s.mscale) / scale(*s.mscale_all_dim);
  return result;
}

RopeFrequencies llama3(const RopeScaling& s, int64_t head_dim) {
  RopeFrequencies result{plain(s.theta, head_dim)};
  const double low = s.low_freq_factor, high = s.high_freq_factor;
  for (double& inverse : result.inverse) {
    const double turns = static_cast<double>(s.original_length) * inverse / (2 * std::numbers::pi);
    const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);  // 1: as trained, 0: interpolated
    inverse *= (1 - keep) / s.factor + keep;
  }
  return result;
}

RopeFrequencies longrope(const RopeScaling& s, int64_t head_dim, int64_t tokens) {
  RopeFrequencies result{plain(s.theta, head_dim)};
  const std::vector<double>& list = tokens > s.original_length ? s.long_factor : s.short_factor;
  for (size_t i = 0; i < result.inverse.size(); ++i) result.inverse[i] /= list[i];
  if (s.factor > 1)
    result.magnitude = std::sqrt(1 + std::log(s.factor) / std::log(static_cast<double>(s.original_length)));
  return result;
}

bool positive(double value) { return std::isfinite(value) && value > 0; }

}  // namespace

const char* name_of(RopeType type) {
  switch (type) {
    case RopeType::none:
      return "none";
    case RopeType::linear:
      return "linear";
    case RopeType::ntk:
      return "ntk";
    case RopeType::dynamic:
      return "dynamic";
    case RopeType::yarn:
      return "yarn";
    case RopeType::llama3:
      return "llama3";
    case RopeType::longrope:
      return "longrope";
  }
  return "unknown";
}

std::optional<RopeType> rope_type_of(const std::string& name) {
  if (name == "default") return RopeType::none;
  for (RopeType type : kTypes)
    if (name == name_of(type)) return type;
  return std::nullopt;
}

std::string rope_type_names() {
  std::string names;
  for (RopeType type : kTypes) names += (names.empty() ? "" : ", ") + std::string(name_of(type));
  return names;
}

double ntk_theta(double theta, double factor, int64_t head_dim) {
  const double d = static_cast<double>(head_dim);
  return theta * std::pow(factor, d / (d - 2));
}

void check_rope_scaling(const RopeScaling& s, int64_t head_dim) {
  const std::string type = name_of(s.type);
  SCCA_CHECK(head_dim > 0 && head_dim % 2 == 0, "rope: head_dim is ", head_dim,
             ", expected an even number from 2 up: its components turn in pairs");
  SCCA_CHECK(positive(s.theta), "rope: theta is ", s.theta, ", expected a number above 0");
  if (s.type == RopeType::none) return;
  SCCA_CHECK(std::isfinite(s.factor) && s.factor >= 1, "rope ", type, ": factor is ", s.factor,
             ", expected at least 1");
  SCCA_CHECK((s.type != RopeType::ntk && s.type != RopeType::dynamic) || head_dim > 2, "rope ", type,
             ": head_dim is 2, expected 4 or more: the formula divides by head_dim - 2");
  if (s.type == RopeType::linear || s.type == RopeType::ntk) return;

  SCCA_CHECK(s.original_length > 0, "rope ", type, ": original length is ", s.original_length,
             ", expected the tokens of pretraining (original_max_position_embeddings)");
  SCCA_CHECK(!s.attention_factor || positive(*s.attention_factor), "rope ", type, ": attention_factor is ",
             s.attention_factor.value_or(0), ", expected a number above 0");
  if (s.type == RopeType::yarn) {
    SCCA_CHECK(s.theta > 1, "rope yarn: theta is ", s.theta, ", expected more than 1");
    SCCA_CHECK(positive(s.beta_slow) && positive(s.beta_fast) && s.beta_slow <= s.beta_fast,
               "rope yarn: beta_fast ", s.beta_fast, " and beta_slow ", s.beta_slow,
               ", expected 0 < beta_slow <= beta_fast");
  }
  if (s.type == RopeType::llama3)
    SCCA_CHECK(
        positive(s.low_freq_factor) && positive(s.high_freq_factor) && s.low_freq_factor < s.high_freq_factor,
        "rope llama3: low_freq_factor ", s.low_freq_factor, " and high_freq_factor ", s.high_freq_factor,
        ", expected 0 < low < high");
  if (s.type == RopeType::longrope) {
    SCCA_CHECK(s.original_length > 1, "rope longrope: original length is 1, expected more");
    for (const auto& [name, list] :
         {std::pair("short_factor", &s.short_factor), {"long_factor", &s.long_factor}}) {
      SCCA_CHECK(static_cast<int64_t>(list->size()) == head_dim / 2, "rope longrope: ", name, " has ",
                 list->size(), " numbers, expected head_dim / 2 = ", head_dim / 2);
      SCCA_CHECK(std::all_of(list->begin(), list->end(), positive), "rope longrope: ", name,
                 " holds a number that is not above 0");
    }
  }
}

RopeFrequencies inverse_frequencies(const RopeScaling& s, int64_t head_dim, int64_t tokens) {
  check_rope_scaling(s, head_dim);
  RopeFrequencies result;
  switch (s.type) {
    case RopeType::none:
      return {plain(s.theta, head_dim)};
    case RopeType::linear:
      result.inverse = plain(s.theta, head_dim);
      for (double& inverse : result.inverse) inverse /= s.factor;
      return result;
    case RopeType::ntk:
      return {plain(ntk_theta(s.theta, s.factor, head_dim), head_dim)};
    case RopeType::dynamic: {
      const double length = static_cast<double>(std::max(tokens, s.original_length));
      const double grown = s.factor * length / static_cast<double>(s.original_length) - (s.factor - 1);
      return {plain(ntk_theta(s.theta, grown, head_dim), head_dim)};
    }
    case RopeType::yarn:
      result = yarn(s, head_dim);
      break;
    case RopeType::llama3:
      return llama3(s, head_dim);
    case RopeType::longrope:
      result = longrope(s, head_dim, tokens);
      break;
  }
  if (s.attention_factor) result.magnitude = *s.attention_factor;
  return result;
}

}  // namespace scca
