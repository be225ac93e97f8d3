#include "models/rope_lengths.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "nn/rope_types.h"

namespace scca {
namespace {

/// Whether a type's length is what max_position_embeddings says, where that is more than L0.
bool length_is_stated(const RopeRow& row) { return row.length == RopeRow::Length::context || row.one_length; }

/// The least whole factor, but not below 1, whose `unit`s hold so many tokens.
double least_factor(int64_t tokens, double unit) {
  // a quotient that is whole but for its rounding counts as whole
  return std::max(1.0, std::ceil(static_cast<double>(tokens) / unit * (1 - 1e-12)));
}

/// Leaves out an attention_factor that only repeats the formula: with another factor it would be wrong.
void drop_derived_attention_factor(RopeScaling& rope, int64_t head_dim) {
  if (!rope.attention_factor) return;
  RopeScaling formula = rope;
  formula.attention_factor.reset();
  const double derived = inverse_frequencies(formula, head_dim, rope.original_length).magnitude;
  if (std::abs(derived - *rope.attention_factor) < 1e-6 * derived) rope.attention_factor.reset();
}

}  // namespace

RopeLengths rope_lengths(const LlamaConfig& config) {
  const RopeScaling& rope = config.rope;
  const RopeRow& row = row_of(rope.type);
  const int64_t most = config.max_position_embeddings;
  RopeLengths lengths;
  lengths.original = !row.has_factor() || rope.original_length < 1 ? most : rope.original_length;
  const double factor = row.has_factor() ? rope.factor : 1;
  const bool stated = length_is_stated(row) && most > lengths.original;
  lengths.unit = stated ? static_cast<double>(most) / factor : static_cast<double>(lengths.original);
  // the factor of a file may be anything up to 1e308
  const double made_for = std::floor(lengths.unit * factor * (1 + 1e-12));
  lengths.made_for = static_cast<int64_t>(std::min(made_for, 9e15));
  return lengths;
}

RopeType stretching_type(const LlamaConfig& config) {
  return row_of(config.rope.type).has_factor() ? config.rope.type : RopeType::yarn;
}

std::optional<double> factor_for(const LlamaConfig& config, int64_t tokens) {
  if (row_of(config.rope.type).one_length) return std::nullopt;
  return least_factor(tokens, rope_lengths(config).unit);
}

LlamaConfig extended(const LlamaConfig& config, RopeType type, std::optional<double> factor,
                     int64_t context) {
  const RopeLengths now = rope_lengths(config);
  const bool same = type == config.rope.type;
  const double unit = same ? now.unit : static_cast<double>(now.original);
  const int64_t tokens = std::max(context, now.made_for);
  RopeScaling rope = same ? config.rope : RopeScaling{.type = type};
  if (!row_of(type).has_factor()) return with_rope(config, rope, now.original);
  if (!factor && same && (context <= now.made_for || row_of(type).one_length)) return config;
  drop_derived_attention_factor(rope, config.head_dim);
  rope.factor = factor.value_or(least_factor(tokens, unit));
  const double length = factor ? std::round(unit * *factor) : static_cast<double>(tokens);
  SCCA_CHECK(length <= INT32_MAX, "rope ", name_of(type), ": factor ", rope.factor, " makes positions for ",
             length, " tokens, expected at most ", INT32_MAX);
  return with_rope(config, std::move(rope), static_cast<int64_t>(length));
}

std::string describe_rope(const LlamaConfig& config) {
  const RopeLengths lengths = rope_lengths(config);
  return concat("base length ", lengths.original, ", type ", name_of(config.rope.type), ", factor ",
                row_of(config.rope.type).has_factor() ? config.rope.factor : 1, ", made for ",
                lengths.made_for, " tokens");
}

std::string rope_assumption(const LlamaConfig& config) {
  if (!config.rope.original_assumed) return "";
  const int64_t length = config.rope.original_length;
  return concat("config.json does not say whether its max_position_embeddings ", length,
                " is the length before or after scaling, taken as before; if it is after, put "
                "\"original_max_position_embeddings\": ",
                std::llround(static_cast<double>(length) / config.rope.factor), " into it");
}

}  // namespace scca
