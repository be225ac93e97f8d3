#include "train/run/memory.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "core/check.h"
#include "train/cli/limits.h"

namespace scca {
namespace {

constexpr int64_t kContextStep = 256;  // tokens

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

/// The layer that this weight belongs to, by the name that LoRA's targets have: "q_proj"; else the weight's
/// own.
std::string layer_of(const std::string& name) {
  const std::string suffix = ".weight";
  return last_part(name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name);
}

void add_lora(ModelShape& shape, const std::string& weight, const Shape& out_in, int64_t rank) {
  const std::string layer = weight.substr(0, weight.rfind('.'));
  shape.parameters.push_back({layer + ".lora_A.weight", {rank, out_in[1]}, true});
  shape.parameters.push_back({layer + ".lora_B.weight", {out_in[0], rank}, true});
}

}  // namespace

const ModelShape::Parameter& ModelShape::parameter(const std::string& name) const {
  for (const Parameter& parameter : parameters)
    if (parameter.name == name) return parameter;
  fail("memory: the model has no ", name);
}

int64_t ModelShape::numbers() const {
  int64_t sum = 0;
  for (const Parameter& parameter : parameters) sum += parameter.is_lora() ? 0 : parameter.numel();
  return sum;
}

int64_t ModelShape::learning_numbers() const {
  int64_t sum = 0;
  for (const Parameter& parameter : parameters) sum += parameter.learns ? parameter.numel() : 0;
  return sum;
}

ModelShape shape_of(Llama& model) {
  ModelShape shape{model.config, model.dtype, model.embed_tokens_VD.device(), {}};
  model.for_each_parameter([&](const std::string& name, const Tensor& weight) {
    shape.parameters.push_back({name, weight.shape(), weight.requires_grad()});
  });
  model.for_each_linear([&](const std::string&, const Linear& linear) {
    if (linear.lora) shape.lora_dropout = linear.lora->dropout;
  });
  return shape;
}

ModelShape shape_of(const LlamaConfig& config, DType dtype, Device device,
                    const std::optional<LoraOptions>& lora, const std::set<std::string>& learning) {
  Llama::check_trainable(learning, config);
  ModelShape shape{config, dtype, device, {}};
  std::set<std::string> unknown;
  if (lora) {
    Llama::check_lora(*lora);
    unknown = lora->targets;
    shape.lora_dropout = lora->dropout;
  }
  for (const auto& [name, size] : Llama::parameter_shapes(config)) {
    shape.parameters.push_back({name, size, Llama::learns(name, learning)});
    const std::string layer = layer_of(name);
    if (!lora || !lora->targets.contains(layer) || !name.starts_with("model.layers.")) continue;
    unknown.erase(layer);
    add_lora(shape, name, size, lora->rank);
  }
  if (!unknown.empty())
    fail<UsageError>("--lora-targets: no layer is called '", *unknown.begin(), "'; expected some of ",
                     "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj");
  return shape;
}

bool countable(const ModelShape& shape, const TrainSettings& settings) {
  const LlamaConfig& c = shape.config;
  const int64_t heads = std::max(c.num_attention_heads, c.num_key_value_heads);
  double widest = static_cast<double>(heads) * static_cast<double>(c.head_dim), numbers = 0;
  for (const int64_t width : {c.hidden_size, c.intermediate_size, c.vocab_size})
    widest = std::max(widest, static_cast<double>(width));
  for (const ModelShape::Parameter& p : shape.parameters) {
    double product = 1;
    for (const int64_t size : p.shape) product *= static_cast<double>(size);
    numbers += product;
    if (p.is_lora()) widest = std::max(widest, static_cast<double>(std::min(p.shape[0], p.shape[1])));
  }
  // Above what train/run/step_memory.cpp adds up: some 30 activations a block, and what is kept of each
  // weight.
  const double tokens = static_cast<double>(settings.batch) * static_cast<double>(settings.context);
  const double layers = static_cast<double>(c.num_hidden_layers) + 1;
  return tokens * widest * 8 * 64 * layers + numbers * 64 < 0x1p62;
}

int64_t longest_context(const ModelShape& shape, TrainSettings settings, int64_t bytes) {
  int64_t fits = 0, fails = kMostContext / kContextStep + 1;  // in steps
  while (fails - fits > 1) {
    const int64_t middle = (fits + fails) / 2;
    settings.context = middle * kContextStep;
    const bool fit = countable(shape, settings) && estimate_memory(shape, settings).total() <= bytes;
    (fit ? fits : fails) = middle;
  }
  return fits * kContextStep;
}

std::string readable_bytes(int64_t bytes) {
  std::ostringstream out;
  const double megabytes = static_cast<double>(bytes) / 1e6;
  out << std::fixed << std::setprecision(megabytes < 1000 ? 0 : 1);
  megabytes < 1000 ? out << megabytes << " MB" : out << megabytes / 1000 << " GB";
  return out.str();
}

std::string describe(const MemoryEstimate& e) {
  return concat(readable_bytes(e.total()), " (weights ", readable_bytes(e.weights), ", adapters ",
                readable_bytes(e.adapters), ", gradients and moments ",
                readable_bytes(e.gradients + e.optimizer), ", activations ", readable_bytes(e.activations),
                ", workspace ", readable_bytes(e.workspace), ")");
}

void check_memory(const MemoryEstimate& estimate, int64_t available) {
  check_memory(estimate, available, estimate.weights + estimate.adapters);
}

void check_memory(const MemoryEstimate& estimate, int64_t available, int64_t there) {
  const int64_t needed = estimate.total() - there;
  if (available < 0 || needed <= available) return;
  fail("out of memory: training needs ", describe(estimate), ", of which ", readable_bytes(needed),
       " are still to be taken, but ", readable_bytes(available),
       " are free; use --checkpointing on, a smaller --batch (with --grad-accum), or a shorter --context");
}

}  // namespace scca
