#include "nn/rope_types.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"

namespace scca {
namespace {

std::vector<double> plain(double theta, int64_t head_dim) {
  std::vector<double> inverse(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < inverse.size(); ++i)
    inverse[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
  return inverse;
}

RopeFrequencies none(const RopeScaling& s, int64_t head_dim, int64_t) { return {plain(s.theta, head_dim)}; }

RopeFrequencies linear(const RopeScaling& s, int64_t head_dim, int64_t) {
  RopeFrequencies result{plain(s.theta, head_dim)};
  for (double& inverse : result.inverse) inverse /= s.factor;
  return result;
}

double plain_theta_of_ntk(const RopeScaling& s, int64_t head_dim) {
  return ntk_theta(s.theta, s.factor, head_dim);
}

RopeFrequencies ntk(const RopeScaling& s, int64_t head_dim, int64_t) {
  return {plain(plain_theta_of_ntk(s, head_dim), head_dim)};
}

RopeFrequencies dynamic(const RopeScaling& s, int64_t head_dim, int64_t tokens) {
  const double length = static_cast<double>(std::max(tokens, s.original_length));
  const double grown = s.factor * length / static_cast<double>(s.original_length) - (s.factor - 1);
  return {plain(ntk_theta(s.theta, grown, head_dim), head_dim)};
}

RopeFrequencies yarn(const RopeScaling& s, int64_t head_dim, int64_t) {
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
  if (s.attention_factor) result.magnitude = *s.attention_factor;
  return result;
}

RopeFrequencies llama3(const RopeScaling& s, int64_t head_dim, int64_t) {
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
  if (s.attention_factor) result.magnitude = *s.attention_factor;
  return result;
}

bool positive(double value) { return std::isfinite(value) && value > 0; }

void check_original(const RopeScaling& s) {
  SCCA_CHECK(s.original_length > 0, "rope ", name_of(s.type), ": original length is ", s.original_length,
             ", expected the tokens of pretraining (original_max_position_embeddings)");
}

void check_attention_factor(const RopeScaling& s) {
  SCCA_CHECK(!s.attention_factor || positive(*s.attention_factor), "rope ", name_of(s.type),
             ": attention_factor is ", s.attention_factor.value_or(0), ", expected a number above 0");
}

void check_ntk(const RopeScaling& s, int64_t head_dim) {
  SCCA_CHECK(head_dim > 2, "rope ", name_of(s.type),
             ": head_dim is 2, expected 4 or more: the formula divides by head_dim - 2");
}

void check_dynamic(const RopeScaling& s, int64_t head_dim) {
  check_ntk(s, head_dim);
  check_original(s);
}

void check_yarn(const RopeScaling& s, int64_t) {
  check_original(s);
  check_attention_factor(s);
  SCCA_CHECK(s.theta > 1, "rope yarn: theta is ", s.theta, ", expected more than 1");
  SCCA_CHECK(positive(s.beta_slow) && positive(s.beta_fast) && s.beta_slow <= s.beta_fast,
             "rope yarn: beta_fast ", s.beta_fast, " and beta_slow ", s.beta_slow,
             ", expected 0 < beta_slow <= beta_fast");
}

void check_llama3(const RopeScaling& s, int64_t) {
  check_original(s);
  SCCA_CHECK(
      positive(s.low_freq_factor) && positive(s.high_freq_factor) && s.low_freq_factor < s.high_freq_factor,
      "rope llama3: low_freq_factor ", s.low_freq_factor, " and high_freq_factor ", s.high_freq_factor,
      ", expected 0 < low < high");
}

void check_longrope(const RopeScaling& s, int64_t head_dim) {
  check_original(s);
  check_attention_factor(s);
  SCCA_CHECK(s.original_length > 1, "rope longrope: original length is 1, expected more");
  for (const auto& [name, list] :
       {std::pair("short_factor", &s.short_factor), {"long_factor", &s.long_factor}}) {
    SCCA_CHECK(static_cast<int64_t>(list->size()) == head_dim / 2, "rope longrope: ", name, " has ",
               list->size(), " numbers, expected head_dim / 2 = ", head_dim / 2);
    SCCA_CHECK(std::all_of(list->begin(), list->end(), positive), "rope longrope: ", name,
               " holds a number that is not above 0");
  }
}

using Factor = RopeRow::Factor;
using Original = RopeRow::Original;
using Length = RopeRow::Length;

std::vector<RopeRow> make_rows() {
  return {{.type = RopeType::none,
           .name = "none",
           .in_file = "default",
           .frequencies = none,
           .factor = Factor::none,
           .original = Original::max_position_embeddings,
           .length = Length::original},
          {.type = RopeType::linear,
           .name = "linear",
           .in_file = "linear",
           .frequencies = linear,
           .factor = Factor::required,
           .original = Original::top,
           .length = Length::original,
           .first_form = true},
          {.type = RopeType::ntk,
           .name = "ntk",
           .in_file = nullptr,
           .frequencies = ntk,
           .check = check_ntk,
           .plain_theta = plain_theta_of_ntk,
           .factor = Factor::required,
           .original = Original::max_position_embeddings,
           .length = Length::context},
          {.type = RopeType::dynamic,
           .name = "dynamic",
           .in_file = "dynamic",
           .frequencies = dynamic,
           .check = check_dynamic,
           .factor = Factor::required,
           .original = Original::max_position_embeddings,
           .length = Length::original,
           .first_form = true},
          {.type = RopeType::yarn,
           .name = "yarn",
           .in_file = "yarn",
           .frequencies = yarn,
           .check = check_yarn,
           .factor = Factor::derived,
           .original = Original::scaling,
           .length = Length::product,
           .fields = {{"attention_factor", &RopeScaling::attention_factor},
                      {"beta_fast", &RopeScaling::beta_fast},
                      {"beta_slow", &RopeScaling::beta_slow},
                      {"mscale", &RopeScaling::mscale},
                      {"mscale_all_dim", &RopeScaling::mscale_all_dim},
                      {"truncate", &RopeScaling::truncate}}},
          {.type = RopeType::llama3,
           .name = "llama3",
           .in_file = "llama3",
           .frequencies = llama3,
           .check = check_llama3,
           .factor = Factor::required,
           .original = Original::scaling,
           .length = Length::context,
           .fields = {{"low_freq_factor", &RopeScaling::low_freq_factor, true},
                      {"high_freq_factor", &RopeScaling::high_freq_factor, true}}},
          {.type = RopeType::longrope,
           .name = "longrope",
           .in_file = "longrope",
           .frequencies = longrope,
           .check = check_longrope,
           .factor = Factor::derived,
           .original = Original::top_and_scaling,
           .length = Length::product,
           .one_length = true,
           .fields = {{"attention_factor", &RopeScaling::attention_factor},
                      {"short_factor", &RopeScaling::short_factor},
                      {"long_factor", &RopeScaling::long_factor}}}};
}

}  // namespace

std::span<const RopeRow> rope_rows() {
  static const std::vector<RopeRow> rows = make_rows();
  return rows;
}

const RopeRow& row_of(RopeType type) {
  for (const RopeRow& row : rope_rows())
    if (row.type == type) return row;
  fail("rope: type ", static_cast<int>(type), " has no row");
}

}  // namespace scca
