#include "models/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/check.h"
#include "nn/rope_scaling.h"
#include "nn/rope_types.h"

namespace scca {
namespace {

/// The divisors of the frequencies that the file holds, in f64.
std::vector<double> stored_divisors(const GgufFile& file, const StoredTensor& stored) {
  Tensor divisors = Tensor::empty(stored.shape, DType::f64);
  SCCA_CHECK(read_elements(stored, divisors) && divisors.numel() > 0, file.path().string(), ": tensor ",
             kGgufDivisors, " holds ", stored.dtype, ' ', to_string(stored.shape), ", expected divisors");
  return divisors.to_vector<double>();
}

/// What each pair's frequency is divided by.
std::vector<double> divisors_of(RopeScaling rope, int64_t head_dim) {
  std::vector<double> divisors = inverse_frequencies(rope, head_dim, 1).inverse;
  rope.type = RopeType::none;
  const std::vector<double> plain = inverse_frequencies(rope, head_dim, 1).inverse;
  for (size_t i = 0; i < divisors.size(); ++i) divisors[i] = plain[i] / divisors[i];
  return divisors;
}

/// LLaMA 3.1's scaling, of which the file has the divisors alone. The largest is the factor; the lengths that
/// they were made from are tried in powers of two. Their other two settings have been 1 and 4 in every model.
Json llama3_scaling(const GgufFile& file, const StoredTensor& stored, double theta) {
  const std::vector<double> divisors = stored_divisors(file, stored);
  RopeScaling rope{.type = RopeType::llama3, .theta = theta};
  rope.factor = *std::ranges::max_element(divisors);
  const auto head_dim = static_cast<int64_t>(2 * divisors.size());
  for (rope.original_length = 1; rope.factor >= 1 && rope.original_length <= 1 << 20;
       rope.original_length *= 2) {
    const std::vector<double> expected = divisors_of(rope, head_dim);
    const auto close = [](double a, double b) { return std::fabs(a - b) <= 1e-4 * b; };
    if (!std::ranges::equal(divisors, expected, close)) continue;
    return {{"rope_type", "llama3"},
            {"factor", rope.factor},
            {"low_freq_factor", rope.low_freq_factor},
            {"high_freq_factor", rope.high_freq_factor},
            {"original_max_position_embeddings", rope.original_length}};
  }
  fail(file.path().string(), ": tensor ", kGgufDivisors,
       " scales positions by divisors that are not those of LLaMA 3.1, which alone are read");
}

/// What the settings name, as llama.cpp takes them: linear where they name no type, a factor of 1 where they
/// name none or 0. Null for what scales nothing.
Json named_scaling(const JsonFields& own) {
  const std::string type = own.text("rope.scaling.type").value_or("linear");
  SCCA_CHECK(type == "none" || type == "linear" || type == "yarn", own.where(), ": rope.scaling.type is ",
             short_text(Json(type)), ", expected none, linear or yarn");
  const auto named = own.number("rope.scaling.factor"), first_form = own.number("rope.scale_linear");
  const double factor = named ? *named : first_form.value_or(0);
  if (type == "none" || factor == 0 || factor == 1) return {};
  Json scaling{{"rope_type", type}, {"factor", factor}};
  const int64_t original = own.integer("rope.scaling.original_context_length").value_or(0);
  if (original != 0) scaling["original_max_position_embeddings"] = original;  // else the context_length
  return scaling;
}

}  // namespace

Json gguf_rope_scaling(const GgufFile& file, const JsonFields& own, double theta) {
  const Json named = named_scaling(own);
  const auto divisors = file.tensors().find(kGgufDivisors);
  if (divisors == file.tensors().end()) return named;
  SCCA_CHECK(named.is_null(), own.where(), ": positions are scaled by ", short_text(named),
             " beside a tensor ", kGgufDivisors, "; expected one of the two");
  return llama3_scaling(file, divisors->second, theta);
}

void set_gguf_rope_scaling(GgufContent& content, const LlamaConfig& config, const std::string& prefix) {
  const RopeScaling& rope = config.rope;
  const auto set = [&](const char* type) {
    content.set(prefix + "rope.scaling.type", type);
    content.set(prefix + "rope.scaling.factor", static_cast<float>(rope.factor));
    content.set(prefix + "rope.scaling.original_context_length", static_cast<uint32_t>(rope.original_length));
  };
  const RopeScaling plain{.type = rope.type,
                          .theta = rope.theta,
                          .factor = rope.factor,
                          .original_length = rope.original_length,
                          .original_assumed = rope.original_assumed};
  switch (rope.type) {
    case RopeType::none:
    case RopeType::ntk:  // another theta
      return;
    case RopeType::linear:
      return set("linear");
    case RopeType::yarn:
      SCCA_CHECK(rope == plain, "gguf: this model's yarn has settings that GGUF has no words for (",
                 "attention_factor, mscale, beta_fast, beta_slow or truncate)");
      return set("yarn");
    case RopeType::llama3: {
      const std::vector<double> divisors = divisors_of(rope, config.head_dim);
      return content.add(kGgufDivisors, {std::ssize(divisors)}, "F32", [divisors](int64_t, float* out) {
        std::ranges::transform(divisors, out, [](double d) { return static_cast<float>(d); });
      });
    }
    case RopeType::dynamic:
    case RopeType::longrope:
      break;
  }
  fail("gguf: the model's RoPE is ", name_of(rope.type), ", which llama.cpp's llama does not turn by");
}

}  // namespace scca
