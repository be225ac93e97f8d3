#include "train/bench/bench.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>

#include "core/autograd.h"
#include "core/device.h"
#include "core/random.h"
#include "core/storage.h"
#include "models/llama.h"
#include "ops/attention.h"
#include "train/bench/busy_threads.h"
#include "train/run/memory.h"
#include "train/run/optimizer.h"

namespace scca {
namespace {

/// The highest resident size since the last reset; 0 where the system does not say.
int64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stoll(line.substr(6)) * 1024;
  return 0;
}

void reset_peak_rss() { std::ofstream("/proc/self/clear_refs") << "5"; }

Tensor random_ids(int64_t rows, int64_t tokens, int64_t vocabulary) {
  Tensor ids = Tensor::empty({rows, tokens}, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const uint32_t bits = philox(7, static_cast<uint64_t>(i))[0];
    ids.data<int32_t>()[i] = static_cast<int32_t>(bits % static_cast<uint64_t>(vocabulary));
  }
  return ids;
}

/// Parameters that are multiplied with, and what learns of them.
void count_parameters(Llama& model, StepFigure& figure) {
  model.for_each_parameter([&](const std::string& name, Tensor& weight) {
    if (name == "model.embed_tokens.weight" && !model.config.tie_word_embeddings) return;
    (weight.requires_grad() ? figure.trained_parameters : figure.frozen_parameters) += weight.numel();
  });
}

int64_t attention_flops(const LlamaConfig& config, const StepOptions& options) {
  const AttentionSpec spec = parse_attention_spec(options.attention);
  int64_t pairs = 0;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const PlanPtr plan = spec.plan(options.context, config.num_attention_heads, layer);
    for (const auto& head : plan->heads) pairs += visible_pairs(*head, plan->causal);
  }
  return 14 * config.head_dim * pairs * options.batch;
}

/// Beside a neighbour the fastest run would be the one that met it least.
double median_seconds(const std::function<void()>& work) {
  std::array<double, 5> seconds;
  for (double& taken : seconds) taken = best_seconds(0, work);
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

double rate(double flops, double seconds) { return flops / seconds * 1e-9; }

}  // namespace

LlamaConfig demo_shape() {
  LlamaConfig config;
  config.vocab_size = 4096;
  config.hidden_size = 256;
  config.intermediate_size = 688;
  config.num_hidden_layers = 5;
  config.num_attention_heads = config.num_key_value_heads = 8;
  config.head_dim = 32;
  config.max_position_embeddings = 512;
  config.tie_word_embeddings = true;
  return config;
}

double AttentionFigure::forward_gflops() const {
  return rate(4.0 * static_cast<double>(head_dim * pairs), forward_seconds);
}
double AttentionFigure::backward_gflops() const {
  return rate(10.0 * static_cast<double>(head_dim * pairs), backward_seconds);
}
double AttentionFigure::both_gflops() const {
  return rate(14.0 * static_cast<double>(head_dim * pairs), forward_seconds + backward_seconds);
}
double AttentionFigure::ns_per_pair() const {
  return (forward_seconds + backward_seconds) * 1e9 / static_cast<double>(pairs);
}

AttentionFigure measure_attention(const std::string& pattern, int64_t tokens, int64_t heads, int64_t head_dim,
                                  double budget, Place place) {
  const PlanPtr plan = parse_attention_spec(pattern).plan(tokens, heads);
  AttentionFigure figure{pattern, tokens, 0, 0, 0, head_dim, heads};
  for (const auto& head : plan->heads) figure.pairs += visible_pairs(*head, plan->causal);
  const Shape shape{1, tokens, heads, head_dim};
  const auto empty = [&] { return Tensor::empty(shape, place.dtype, place.device); };
  const Tensor q = normal_tensor(shape, place), k = normal_tensor(shape, place),
               v = normal_tensor(shape, place);
  const Tensor dout = normal_tensor(shape, place);
  AttentionOutput result{empty(), Tensor::empty({1, heads, tokens}, DType::f32, place.device)};
  AttentionGradients d{empty(), empty(), empty()};
  const AttentionInput in{q, k, v, *plan, 1 / std::sqrt(static_cast<double>(head_dim))};
  AttentionWorkspace of_forward = forward_workspace(in), of_backward = backward_workspace(in, d);
  const auto forward = [&] { SCCA_ON_DEVICE(place.device, attention_forward(in, result, of_forward)); };
  const auto backward = [&] {
    SCCA_ON_DEVICE(place.device, attention_backward(in, result, dout, d, of_backward));
  };
  figure.forward_seconds = best_seconds(budget / 3, forward, place.device);
  figure.backward_seconds = best_seconds(budget, backward, place.device);
  return figure;
}

namespace {

TrainSettings settings_of(const StepOptions& options) {
  TrainSettings settings;
  settings.context = options.context, settings.batch = options.batch;
  settings.checkpointing = options.checkpointing ? "on" : "off";
  settings.attention = options.attention;
  return settings;
}

}  // namespace

BenchStep::BenchStep(const LlamaConfig& config, const StepOptions& options) : device_(options.place.device) {
  const Learning learning{LoraOptions{.rank = options.lora_rank}, {"embed", "norm"}};
  const ParameterDTypes kept = parameter_dtypes(options.base, options.place.dtype, nullptr);
  const TrainSettings settings = settings_of(options);
  const StepPlan plan = plan_step(model_of(config, options.place.dtype, device_, learning, kept), settings);
  check_memory(plan, settings, There::nothing);  // before the weights take it
  reset_peak(device_);
  reset_peak_rss();
  model_ = Llama::initialised(config, 1, options.place.dtype, kept);
  model_->to(device_);
  model_->add_lora(*learning.lora);
  model_->set_trainable(learning.base);
  optimizer_.emplace(*model_);
  ids_ = random_ids(options.batch, options.context, config.vocab_size);
  forward_ = {.attention = parse_attention_spec(options.attention),
              .training = true,
              .checkpointing = plan.checkpointing};
  figure_ = {.pattern = options.attention, .tokens = options.batch * options.context};
  count_parameters(*model_, figure_);
  figure_.planned_flops = plan.total_flops();
  figure_.flops = (4 * figure_.frozen_parameters + 6 * figure_.trained_parameters) * figure_.tokens +
                  attention_flops(config, options);
}

void BenchStep::run() {
  backward(model_->loss(ids_, forward_));
  const double scale = std::min(1.0, 1 / (optimizer_->gradient_norm() + 1e-6));
  optimizer_->step(++steps_, {.lr = 1e-4}, scale);
}

StepFigure BenchStep::figure(double seconds) const {
  StepFigure figure = figure_;
  figure.seconds = seconds;
  figure.peak_bytes = memory_counters(device_).peak_bytes;
  figure.peak_rss_bytes = peak_rss_bytes();
  return figure;
}

StepFigure measure_step(const LlamaConfig& config, const StepOptions& options) {
  BenchStep step(config, options);
  StepFigure figure = step.figure(best_seconds(
      options.budget, [&] { step.run(); }, options.place.device));
  if (options.busy_threads > 0) {
    const BusyThreads neighbours(options.busy_threads);
    figure.busy_seconds = median_seconds([&] { step.run(); });
  }
  return figure;
}

}  // namespace scca
