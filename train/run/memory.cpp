#include "train/run/memory.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "core/check.h"
#include "core/device.h"
#include "train/cli/limits.h"
#include "train/run/attention_schedule.h"
#include "train/run/optimizer.h"
#include "train/run/pose.h"
#include "train/run/step.h"

namespace scca {
namespace {

constexpr int64_t kContextStep = 256;  // tokens

bool is_lora(const std::string& name) { return name.find(".lora_") != std::string::npos; }

/// Says what the memory of the model and its optimizer is for; counts their numbers.
void mark(Llama& model, const Optimizer& optimizer, StepPlan& plan) {
  model.for_each_parameter([&](const std::string& name, Tensor& weight) {
    weight.mark(is_lora(name) ? MemoryKind::adapters : MemoryKind::weights);
    plan.parameters += is_lora(name) ? 0 : weight.numel();
  });
  for (const auto& [name, tensor] : optimizer.state())
    if (tensor.kind() == MemoryKind::workspace) tensor.mark(MemoryKind::optimizer);
  plan.learning = optimizer.parameter_count();
}

/// Whether 64 bits count the bytes of such a step: sizes beyond that are beyond every machine. Above what a
/// step takes: some 30 activations a block, and what is kept of each weight.
bool countable(Llama& model, const TrainSettings& settings) {
  const LlamaConfig& c = model.config;
  const int64_t heads = std::max(c.num_attention_heads, c.num_key_value_heads);
  double widest = static_cast<double>(heads) * static_cast<double>(c.head_dim), numbers = 0;
  for (const int64_t width : {c.hidden_size, c.intermediate_size, c.vocab_size})
    widest = std::max(widest, static_cast<double>(width));
  model.for_each_parameter([&](const std::string& name, const Tensor& weight) {
    numbers += static_cast<double>(weight.numel());
    if (is_lora(name))
      widest = std::max(widest, static_cast<double>(std::min(weight.size(0), weight.size(1))));
  });
  const double tokens = static_cast<double>(settings.batch) * static_cast<double>(settings.context);
  const double layers = static_cast<double>(c.num_hidden_layers) + 1;
  return tokens * widest * 8 * 64 * layers + numbers * 64 < 0x1p62;
}

/// Two under each attention: the second has what the first one leaves (tables, lists of work). Of further
/// passes each is as the second.
constexpr int64_t kSteps = 2, kMostPasses = 2;

int64_t asked_layers(const TrainSettings& settings) {
  return settings.checkpointing == "off" ? 0 : kAllLayers;
}

}  // namespace

StepPlan plan_step(const MakeModel& make, const TrainSettings& settings, Checkpointing checkpointing,
                   Planning::Count count) {
  const Planning planning(count);
  Llama model = make();
  if (!countable(model, settings))
    fail<UsageError>(
        "--batch ", settings.batch, " x --context ", settings.context,
        ": a step of this model would take more than 10^18 bytes; use smaller ones, or check the sizes "
        "in config.json and --lora-rank");
  Optimizer optimizer(model);
  const int64_t layers = std::ssize(model.layers);
  StepPlan plan{.device = model.device(),
                .peak = {},
                .layers = layers,
                .checkpointing = {std::min(checkpointing.layers, layers), checkpointing.keeps_attention}};
  mark(model, optimizer, plan);
  const AttentionSchedule attention(training_attention(settings, model.config));
  const auto phases = std::ssize(attention.phases());
  const int64_t passes = std::min(settings.grad_accum, kMostPasses);
  reset_peak(plan.device);
  for (int64_t step = 1; step <= kSteps * phases; ++step) {
    const AttentionSpec& spec = attention.phases()[static_cast<size_t>((step - 1) / kSteps)].attention;
    const ForwardOptions forward{.attention = spec, .training = true, .checkpointing = plan.checkpointing};
    const int64_t predictions = settings.batch * (settings.context - 1);
    forward_backward(model, forward, {passes, passes * predictions}, [&](int64_t) {
      const Shape rows{settings.batch, settings.context};
      RowBatch batch{.ids = Tensor::empty(rows, DType::i32),
                     .targets = Tensor::empty(rows, DType::i32),
                     .predictions = predictions};
      place_rows(batch, settings, 0);
      return batch;
    });
    const Region region("the optimizer");
    optimizer.gradient_norm();
    optimizer.step(step, {}, 1);
  }
  plan.peak = planning.peak(plan.device);
  for (const auto& [kernel, flops] : planning.flops())
    plan.flops[kernel] =
        flops * static_cast<double>(settings.grad_accum) / static_cast<double>(passes * kSteps * phases);
  return plan;
}

namespace {

Llama learning_model(Llama model, const Learning& learning) {
  if (learning.lora) model.add_lora(*learning.lora);
  model.set_trainable(learning.base);
  return model;
}

}  // namespace

MakeModel model_like(const Llama& model) {
  return [&model] {
    Llama copy = model;
    copy.for_each_parameter([](const std::string&, Tensor& weight) {
      const bool learns = weight.requires_grad();
      weight = Tensor::empty(weight.shape(), weight.dtype(), weight.device());
      weight.set_requires_grad(learns);
    });
    copy.set_rope(copy.config.rope, copy.config.max_position_embeddings);  // its table is the real model's
    return copy;
  };
}

MakeModel model_like(const Llama& base, const Learning& learning) {
  return [copy = model_like(base), learning] { return learning_model(copy(), learning); };
}

MakeModel model_of(const LlamaConfig& config, DType dtype, Device device, const Learning& learning,
                   const ParameterDTypes& kept) {
  return [=] {
    Llama model = Llama::initialised(config, 0, dtype, kept);
    model.to(device);
    return learning_model(std::move(model), learning);
  };
}

double StepPlan::total_flops() const {
  double sum = 0;
  for (const auto& [kernel, count] : flops) sum += count;
  return sum;
}

StepPlan plan_step(const MakeModel& make, const TrainSettings& settings) {
  return plan_step(make, settings, asked_layers(settings));
}

int64_t longest_context(const MakeModel& make, const TrainSettings& settings, int64_t bytes) {
  struct Point {
    int64_t steps;
    double excess;  // bytes too many
  };
  const auto at = [&](int64_t steps) {
    TrainSettings longer = settings;
    longer.context = steps * kContextStep;
    try {
      const StepPlan plan = plan_step(make, longer, asked_layers(longer), Planning::Count::memory);
      return Point{steps, static_cast<double>(plan.peak.total()) - static_cast<double>(bytes)};
    } catch (const UsageError&) {  // beyond counting, or no length for the attention pattern
      return Point{steps, HUGE_VAL};
    }
  };
  int64_t fits = 0, fails = kMostContext / kContextStep + 1;  // in steps
  Point before = at(1), now = at(16);
  for (const Point& point : {before, now})
    if (point.excess <= 0) fits = point.steps;
  if (fits < 16) fails = fits == 0 ? 1 : 16;
  // Bytes grow all but evenly with the context: a line through the last two points finds the limit in a few
  // plans.
  for (int64_t tries = 0; fails - fits > 1; ++tries) {
    const double slope = (now.excess - before.excess) / static_cast<double>(now.steps - before.steps);
    const double guess =
        std::floor(static_cast<double>(now.steps) - now.excess / slope + (now.excess <= 0 ? 1 : 0));
    const bool lost = !(slope > 0) || !std::isfinite(slope) || tries > 8;
    before = now;
    now = at(lost ? (fits + fails) / 2
                  : static_cast<int64_t>(
                        std::clamp(guess, static_cast<double>(fits + 1), static_cast<double>(fails - 1))));
    (now.excess <= 0 ? fits : fails) = now.steps;
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

std::string describe(const StepPlan& p) {
  const auto bytes = [&](MemoryKind kind) { return readable_bytes(p.bytes(kind)); };
  return concat(readable_bytes(p.peak.total()), " (weights ", bytes(MemoryKind::weights), ", adapters ",
                bytes(MemoryKind::adapters), ", gradients and moments ",
                readable_bytes(p.bytes(MemoryKind::gradients) + p.bytes(MemoryKind::optimizer)),
                ", activations ", bytes(MemoryKind::activations), ", workspace ",
                bytes(MemoryKind::workspace), ")");
}

int64_t still_needed(const StepPlan& plan, There there) {
  int64_t needed = plan.peak.total();
  if (there != There::nothing) needed -= plan.bytes(MemoryKind::weights);
  if (there == There::model) needed -= plan.bytes(MemoryKind::adapters);
  return needed;
}

void check_memory(const StepPlan& plan, int64_t available, There there) {
  const int64_t needed = still_needed(plan, there);
  if (available < 0 || needed <= available) return;
  fail("out of memory: training needs ", describe(plan), ", of which ", readable_bytes(needed),
       " are still to be taken, but ", readable_bytes(available), " are free; use ",
       plan.kept_layers() > 0 ? "--checkpointing on, " : "",
       "a smaller --batch (with --grad-accum), or a shorter --context; "
       "--force starts all the same");
}

void check_memory(const StepPlan& plan, const TrainSettings& settings, There there) {
  if (!settings.force) check_memory(plan, available_memory(plan.device), there);
}

}  // namespace scca
