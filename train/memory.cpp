#include "train/memory.h"

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <sstream>

#include "core/check.h"

namespace scca {
namespace {

/// Whether the input of this layer must be kept: the layer's own weight or its LoRA reads it in backward.
bool keeps_input(const Linear& linear) { return linear.weight_OI.requires_grad() || linear.lora.has_value(); }

/// Bytes per token that LoRA's own tensors add to this layer's.
int64_t lora_bytes(const Linear& linear, int64_t element) {
  if (!linear.lora) return 0;
  const int64_t dropped = linear.lora->dropout > 0 ? linear.weight_OI.size(1) : 0;
  return (linear.lora->a_RI.size(0) + dropped) * element;
}

/// Bytes per token that a block keeps for backward: the inputs of the norms and their scales, the inputs of
/// the layers that learn, queries, keys, values, outputs and log-sum-exps of attention, gate and up.
int64_t block_bytes(const LlamaBlock& block, const LlamaConfig& config, int64_t element) {
  const SelfAttention& attention = block.self_attn;
  const Mlp& mlp = block.mlp;
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  const int64_t query_width = config.num_attention_heads * config.head_dim,
                key_width = config.num_key_value_heads * config.head_dim;
  int64_t numbers = 2 * width + 2 * query_width + 2 * key_width + 2 * inner;
  if (keeps_input(attention.q_proj) || keeps_input(attention.k_proj) || keeps_input(attention.v_proj))
    numbers += width;
  if (keeps_input(mlp.gate_proj) || keeps_input(mlp.up_proj)) numbers += width;
  if (keeps_input(mlp.down_proj)) numbers += inner;
  int64_t bytes = numbers * element + (2 + config.num_attention_heads) * 4;
  for (const Linear* linear : {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj,
                               &mlp.gate_proj, &mlp.up_proj, &mlp.down_proj})
    bytes += lora_bytes(*linear, element);
  return bytes;
}

/// What the backward pass of the attention or of the feed-forward layer has at hand besides, per token.
int64_t block_workspace(const LlamaConfig& config, int64_t element) {
  const int64_t query_width = config.num_attention_heads * config.head_dim,
                key_width = config.num_key_value_heads * config.head_dim;
  // The gradients of the residual stream and of a norm's output; then those of q, k, v with a share of dk and
  // dv for every query head, or that of the product of gate and up.
  const int64_t attention = (2 * query_width + 2 * key_width) * element + 2 * query_width * 4;
  return 2 * config.hidden_size * element + std::max(attention, 2 * config.intermediate_size * element);
}

int64_t read_number(const char* path) {
  std::ifstream file(path);
  int64_t value = -1;
  return file >> value ? value : -1;
}

int64_t memory_of_system() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (int64_t value; file >> key >> value; std::getline(file, unit))
    if (key == "MemAvailable:") return value * 1024;
  return -1;
}

std::string gigabytes(int64_t bytes) {
  std::ostringstream out;
  const double megabytes = static_cast<double>(bytes) / 1e6;
  out << std::fixed << std::setprecision(megabytes < 1000 ? 0 : 1);
  megabytes < 1000 ? out << megabytes << " MB" : out << megabytes / 1000 << " GB";
  return out.str();
}

}  // namespace

MemoryEstimate estimate_memory(Llama& model, const TrainSettings& settings) {
  const LlamaConfig& config = model.config;
  const int64_t element = static_cast<int64_t>(size_of(model.dtype));
  const int64_t tokens = settings.batch * settings.context;
  MemoryEstimate estimate;
  model.for_each_parameter([&](const std::string&, const Tensor& weight) {
    estimate.weights += static_cast<int64_t>(weight.bytes());
    // A gradient and two moments.
    if (weight.requires_grad()) estimate.optimizer += weight.numel() * 12;
  });
  int64_t all = 0, largest = 0;
  for (const LlamaBlock& block : model.layers) {
    const int64_t bytes = block_bytes(block, config, element);
    largest = std::max(largest, bytes);
    all += bytes;
  }
  const int64_t inputs = config.num_hidden_layers * config.hidden_size * element;
  const int64_t top = 2 * config.hidden_size * element + 4;  // the final norm's input and the hidden state
  estimate.activations = tokens * (top + (settings.checkpointing ? inputs : all));
  // The loss makes its gradients in forward, while everything is kept (ops/linear_cross_entropy.h).
  const int64_t chunk = std::max<int64_t>(256, (int64_t{4} << 20) / (config.vocab_size * 4));
  const int64_t loss =
      std::min(tokens, chunk) * config.vocab_size * 4 + tokens * config.hidden_size * element;
  const int64_t rerun = settings.checkpointing ? largest : 0;
  estimate.workspace = std::max(loss, tokens * (rerun + block_workspace(config, element)));
  return estimate;
}

std::string describe(const MemoryEstimate& estimate) {
  return concat(gigabytes(estimate.total()), " (weights ", gigabytes(estimate.weights),
                ", gradients and moments ", gigabytes(estimate.optimizer), ", activations ",
                gigabytes(estimate.activations), ", workspace ", gigabytes(estimate.workspace), ")");
}

int64_t available_memory() {
  int64_t available = memory_of_system();
  const int64_t limit = read_number("/sys/fs/cgroup/memory.max"),
                used = read_number("/sys/fs/cgroup/memory.current");
  if (limit >= 0 && used >= 0) {
    const int64_t left = std::max<int64_t>(limit - used, 0);
    available = available < 0 ? left : std::min(available, left);
  }
  return available;
}

void check_memory(const MemoryEstimate& estimate) {
  const int64_t available = available_memory();
  // The model's own weights are there already.
  const int64_t needed = estimate.total() - estimate.weights;
  if (available < 0 || needed <= available) return;
  fail("out of memory: training needs ", describe(estimate), ", of which ", gigabytes(needed),
       " are still to be taken, but ", gigabytes(available),
       " are free; use --checkpointing on, a smaller --batch (with --grad-accum), or a shorter --context");
}

}  // namespace scca
