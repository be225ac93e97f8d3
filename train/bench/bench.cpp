#include "train/bench/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>

#include "core/autograd.h"
#include "core/device.h"
#include "core/random.h"
#include "core/storage.h"
#include "models/llama.h"
#include "ops/attention.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "train/run/memory.h"
#include "train/run/optimizer.h"

namespace scca {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

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

double best_seconds(double budget, const std::function<void()>& work, Device device) {
  constexpr double long_enough = 5e-3;  // beside which a wait of some 10 us is nothing
  const Tensor flag = Tensor::zeros({1}, DType::f32, device);
  const auto seconds_of = [&](int calls) {
    flag.item();  // reading waits for what was queued before
    const double begin = now();
    for (int call = 0; call < calls; ++call) work();
    flag.item();
    return (now() - begin) / calls;
  };
  int calls = 1;
  if (device != Device::cpu) {
    seconds_of(1);  // sets up what is set up once
    calls = static_cast<int>(std::clamp(long_enough / seconds_of(1), 1.0, 1000.0));
  }
  double best = std::numeric_limits<double>::infinity(), spent = 0;
  for (int run = 0; run < 1 || (spent < budget && run < 50) || (run < 2 && spent < 2 * budget); ++run) {
    const double taken = seconds_of(calls);
    best = std::min(best, taken);
    spent += taken * calls;
  }
  return best;
}

Tensor normal_tensor(Shape shape, Place place) {
  Tensor tensor = Tensor::empty(std::move(shape));
  fill_normal(tensor, 1);
  return cast(tensor, place.dtype).to(place.device);
}

double matmul_gflops(int64_t size, double budget, Place place) {
  const Tensor a = normal_tensor({size, size}, place), b = normal_tensor({size, size}, place);
  Tensor c = Tensor::empty({size, size}, place.dtype, place.device);
  matmul_into(a, b, c);  // the first call compiles the kernel
  const double seconds = best_seconds(
      budget, [&] { matmul_into(a, b, c); }, place.device);
  const auto n = static_cast<double>(size);
  return rate(2 * n * n * n, seconds);
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
  Tensor out = empty(), log_sum_exp = Tensor::empty({1, heads, tokens}, DType::f32, place.device);
  Tensor dq = empty(), dk = empty(), dv = empty();
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  const auto forward = [&] {
    SCCA_ON_DEVICE(place.device, attention_forward(q, k, v, *plan, scale, out, log_sum_exp));
  };
  const auto backward = [&] {
    SCCA_ON_DEVICE(place.device,
                   attention_backward(q, k, v, out, log_sum_exp, *plan, scale, dout, dq, dk, dv));
  };
  figure.forward_seconds = best_seconds(budget / 3, forward, place.device);
  figure.backward_seconds = best_seconds(budget, backward, place.device);
  return figure;
}

StepFigure measure_step(const LlamaConfig& config, const StepOptions& options) {
  const Device device = options.place.device;
  TrainSettings settings;
  settings.context = options.context, settings.batch = options.batch;
  settings.checkpointing = options.checkpointing;
  const ModelShape shape = shape_of(config, options.place.dtype, device,
                                    LoraOptions{.rank = options.lora_rank}, {"embed", "norm"});
  check_memory(estimate_memory(shape, settings), available_memory(device), 0);  // before the weights take it
  reset_peak(device);
  reset_peak_rss();
  Llama model = Llama::initialised(config, 1, options.place.dtype);
  model.to(device);
  model.add_lora({.rank = options.lora_rank});
  model.set_trainable({"embed", "norm"});
  StepFigure figure{.pattern = options.attention, .tokens = options.batch * options.context};
  count_parameters(model, figure);
  figure.flops = (4 * figure.frozen_parameters + 6 * figure.trained_parameters) * figure.tokens +
                 attention_flops(config, options);
  const Tensor ids = random_ids(options.batch, options.context, config.vocab_size);
  const ForwardOptions forward{.attention = parse_attention_spec(options.attention),
                               .training = true,
                               .checkpointing = options.checkpointing};
  Optimizer optimizer(model);
  int64_t step = 0;
  const auto one_step = [&] {
    backward(model.loss(ids, forward));
    const double scale = std::min(1.0, 1 / (optimizer.gradient_norm() + 1e-6));
    optimizer.step(++step, {.lr = 1e-4}, scale);
  };
  figure.seconds = best_seconds(options.budget, one_step, device);
  figure.peak_bytes = memory_counters(device).peak_bytes;
  figure.peak_rss_bytes = peak_rss_bytes();
  return figure;
}

}  // namespace scca
