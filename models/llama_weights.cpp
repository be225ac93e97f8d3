// A model's weights as a whole: where they come from and go to, which of them learn, LoRA. What is computed
// with them is in llama.cpp.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/joined.h"
#include "core/random.h"
#include "models/files/gguf.h"
#include "models/files/model_folder.h"
#include "models/files/shards.h"
#include "models/llama.h"
#include "models/weights.h"
#include "ops/cast.h"
#include "ops/quantize.h"

namespace scca {
namespace {

/// "q_proj" of "model.layers.0.self_attn.q_proj".
std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

Llama Llama::load(const std::string& folder, DType dtype, BaseDType base) {
  if (!std::filesystem::is_directory(folder) && !is_gguf(folder)) fail(why_no_model(folder, "config.json"));
  const LlamaConfig config = read_config(folder);
  const Weights weights(folder);
  std::set<std::string> names;
  for (const auto& [name, shape] : parameter_shapes(config)) names.insert(name);
  weights.check_extra(names, config.tie_word_embeddings);
  const ParameterDTypes kept = parameter_dtypes(base, dtype, &weights);
  return Llama(config, dtype, [&](const std::string& name, const Shape& shape) {
    return weights.load(name, kept(name, shape), shape);
  });
}

void Llama::to(Device device) {
  for_each_parameter([&](const std::string& name, Tensor& weight) {
    SCCA_CHECK(!weight.requires_grad(), "llama: ", name,
               " learns already; move the model before that is chosen");
    weight = weight.to(device);
  });
  rope_positions_ = 0;  // the table is on the old device
}

Llama Llama::initialised(const LlamaConfig& config, uint64_t seed, DType dtype, const ParameterDTypes& kept) {
  const RandomState before = random_state();
  set_random_state({seed, 0});
  const double into_stream = 1 / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  Llama model(config, dtype, [&](const std::string& name, const Shape& shape) {
    if (shape.size() == 1) return Tensor::full(shape, name.ends_with(".bias") ? 0 : 1, dtype);
    Tensor weight = Tensor::empty(shape);
    const bool writes_stream = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
    fill_normal(weight, config.initializer_range * (writes_stream ? into_stream : 1));
    const DType as = kept ? kept(name, shape) : dtype;
    return is_blocks(as) ? quantized(weight, as) : cast(weight, as);
  });
  set_random_state(before);
  return model;
}

void Llama::for_each_parameter(const ParameterVisitor& visit) {
  visit("model.embed_tokens.weight", embed_tokens_VD);
  for (size_t i = 0; i < layers.size(); ++i) layers[i].for_each_parameter(concat("model.layers.", i), visit);
  visit("model.norm.weight", norm_D);
  if (lm_head_VD) visit("lm_head.weight", lm_head_VD);
}

void Llama::for_each_linear(const std::function<void(const std::string& name, Linear& linear)>& visit) {
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].for_each_linear([&](const std::string& part, Linear& linear) {
      visit(concat("model.layers.", i, ".", part), linear);
    });
  }
}

std::vector<std::string> Llama::linear_names() {
  std::vector<std::string> names;
  LlamaBlock().for_each_linear([&](const std::string& name, Linear&) { names.push_back(last_part(name)); });
  return names;
}

void Llama::check_lora(const LoraOptions& options) {
  options.validate();
  const std::vector<std::string> names = linear_names();
  const std::string expected = joined(names, ",");
  if (options.targets.empty())
    fail<UsageError>(Setting("targets"), ": names no layer; expected some of ", expected);
  for (const std::string& target : options.targets)
    if (std::ranges::find(names, target) == names.end())
      fail<UsageError>(Setting("targets"), ": no layer is called '", target, "'; expected some of ",
                       expected);
}

void Llama::add_lora(const LoraOptions& options) {
  check_lora(options);
  for_each_linear([&](const std::string& name, Linear& linear) {
    if (!options.targets.contains(last_part(name))) return;
    linear.lora = Lora::initialised(linear.weight_OI.size(1), linear.weight_OI.size(0), options, device());
  });
}

void Llama::merge_lora() {
  for_each_linear([](const std::string&, Linear& linear) {
    if (linear.lora) linear.weight_OI = linear.lora->merged_into(linear.weight_OI);
    linear.lora.reset();
  });
}

bool Llama::learns(const std::string& name, const std::set<std::string>& what) {
  return name.find(".lora_") != std::string::npos || what.contains("all") ||
         (what.contains("embed") && name == "model.embed_tokens.weight") ||
         (what.contains("norm") && name.ends_with("norm.weight")) ||
         (what.contains("head") && name == "lm_head.weight");
}

void Llama::check_trainable(const std::set<std::string>& what, const LlamaConfig& config) {
  for (const std::string& word : what) {
    if (!std::set<std::string>{"embed", "norm", "head", "all", "none"}.contains(word)) {
      fail<UsageError>(Setting("train"), ": '", word,
                       "' is not a part of the model; expected some of embed,norm,head or all or none");
    }
  }
  if (what.contains("head") && config.tie_word_embeddings) {
    fail<UsageError>(
        Setting("train"),
        " head: this model's head is its embedding (tie_word_embeddings); train embed in its place");
  }
}

std::vector<std::pair<std::string, Shape>> Llama::parameter_shapes(const LlamaConfig& config) {
  std::vector<std::pair<std::string, Shape>> shapes;
  Llama(config, DType::f32, [&](const std::string& name, const Shape& shape) {
    shapes.emplace_back(name, shape);
    return Tensor();
  });
  return shapes;
}

void Llama::set_trainable(const std::set<std::string>& what) {
  check_trainable(what, config);
  for_each_parameter([&](const std::string& name, Tensor& weight) {
    const bool wanted = learns(name, what);
    weight.set_requires_grad(false);
    if (!wanted) return;
    // Learning weights are f32 and this model's own: a mapped file is read only.
    if (weight.dtype() == DType::bf16 || is_blocks(weight.dtype())) weight = cast(weight, DType::f32);
    if (weight.borrowed()) weight = weight.clone();
    weight.set_requires_grad();
  });
}

void Llama::untie() {
  if (!config.tie_word_embeddings) return;
  lm_head_VD = embed_tokens_VD.clone();
  config.tie_word_embeddings = false;
}

void Llama::save(const std::string& folder, const StoredFloat& as) const {
  std::vector<TensorSpec> specs;
  std::map<std::string, Tensor> weights;
  const_cast<Llama*>(this)->for_each_parameter([&](const std::string& name, Tensor& weight) {
    SCCA_CHECK(name.find(".lora_") == std::string::npos, "save: ", name,
               " is not merged; call merge_lora() first, or save the adapter");
    specs.push_back({name, as.stored, weight.shape()});
    weights.emplace(name, weight.detach());
  });
  const DType made = std::string_view(as.stored) == "BF16" ? DType::bf16 : DType::f32;
  write_shards(folder, specs, [&](const std::string& name) { return cast(weights.at(name), made); });
  LlamaConfig written = config;
  written.torch_dtype = as.torch;
  write_config(folder, written);
}

}  // namespace scca
