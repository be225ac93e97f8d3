#include "train/trainer.h"

#include <array>
#include <chrono>
#include <cmath>
#include <iostream>

#include "core/autograd.h"
#include "core/check.h"
#include "core/device.h"
#include "core/memory.h"
#include "core/random.h"
#include "train/checkpoint.h"
#include "train/interrupt.h"
#include "train/progress.h"

namespace scca {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ForwardOptions training_options(Llama& model, const TrainSettings& settings) {
  ForwardOptions options;
  options.attention = check_training(model, settings);
  options.checkpointing = settings.checkpointing;
  options.training = true;
  return options;
}

/// Tells one base model from another by the beginnings of its tensors: reading all of a large one would cost
/// more than the mistake.
uint64_t model_fingerprint(Llama& model) {
  uint64_t hash = fingerprint_bytes("", 0);
  model.for_each_parameter([&](const std::string& name, const Tensor& weight) {
    hash = fingerprint_bytes(name.data(), name.size(), hash);
    std::array<std::byte, 4096> beginning;
    const size_t bytes = std::min(weight.bytes(), beginning.size());
    SCCA_ON_DEVICE(weight.device(), copy_to_host(beginning.data(), weight.raw(), bytes));
    hash = fingerprint_bytes(beginning.data(), bytes, hash);
  });
  return hash;
}

std::string hexadecimal(uint64_t value) {
  std::ostringstream out;
  out << std::hex << value;
  return out.str();
}

/// Four significant figures: enough to watch a loss.
std::string figures(double value) {
  std::ostringstream out;
  out.precision(4);
  out << value;
  return out.str();
}

}  // namespace

AttentionSpec check_training(Llama& model, const TrainSettings& train) {
  AttentionSpec attention = parse_attention_spec(train.attention);
  attention.check_layers(model.config.num_hidden_layers);
  for (int64_t layer = 0; layer < model.config.num_hidden_layers; ++layer)
    attention.plan(train.context, model.config.num_attention_heads, layer);
  const ModelShape shape = shape_of(model);
  check_memory(estimate_memory(shape, train), available_memory(shape.device));
  return attention;
}

Trainer::Trainer(Llama& model, TrainTask task, RunFolder& run)
    : model_(model),
      task_(std::move(task)),
      run_(run),
      forward_(training_options(model, task_.train)),
      optimizer_(model),
      order_(task_.train.seed, task_.data->rows()) {
  task_.settings["version"] = SCCA_VERSION;
  task_.settings["data_fingerprint"] = hexadecimal(task_.data->fingerprint());
  task_.settings["model_fingerprint"] = hexadecimal(model_fingerprint(model));
  resume();
  run_.write_config(task_.settings);
  metrics_ = std::make_unique<Metrics>(run_.path() / "metrics.jsonl", step_);
}

/// The newest checkpoint, or the one before it when the newest is damaged.
void Trainer::resume() {
  const auto all = run_.checkpoints();
  std::string damage;
  for (auto entry = all.rbegin(); entry != all.rend(); ++entry) {
    std::optional<Checkpoint> checkpoint;
    try {
      checkpoint.emplace(entry->second);
    } catch (const Error& error) {
      damage = error.what();
      std::cerr << "note: " << damage << "; trying the checkpoint before it\n";
      continue;
    }
    const TrainState& state = checkpoint->state();
    check_same_settings(state.settings, task_.settings, run_.name());
    if (state.step > task_.train.steps)
      fail<UsageError>("--steps ", task_.train.steps, ": ", run_.name(), " has done ", state.step,
                       " steps; only more are possible");
    checkpoint->restore(optimizer_.state());
    set_random_state(state.random);
    step_ = saved_step_ = state.step;
    std::cerr << "resuming " << run_.name() << " after step " << step_ << "\n";
    return;
  }
  if (!damage.empty())
    fail(damage, "; no whole checkpoint is left: remove ", (run_.path() / "checkpoints").string(),
         " to start over");
}

void Trainer::announce() const {
  const TrainSettings& train = task_.train;
  const double rows = static_cast<double>(task_.data->rows());
  std::cerr << "training " << short_number(static_cast<double>(optimizer_.parameter_count()))
            << " parameters on " << short_number(static_cast<double>(task_.data->tokens()))
            << " tokens: " << task_.data->rows() << " rows of " << train.context << ", "
            << train.rows_per_step() << " a step, "
            << figures(static_cast<double>(train.steps * train.rows_per_step()) / rows) << " epochs in "
            << train.steps << " steps; attention " << forward_.attention.to_string()
            << "; predicted peak memory " << describe(estimate_memory(shape_of(model_), train)) << "\n";
}

/// Gradients of the mean loss over the step's rows; returns that loss.
double Trainer::forward_backward() {
  const TrainSettings& train = task_.train;
  const double share = 1.0 / static_cast<double>(train.grad_accum);
  double sum = 0;
  for (int64_t i = 0; i < train.grad_accum; ++i) {
    const int64_t first = (step_ * train.grad_accum + i) * train.batch;
    const Tensor loss = model_.loss(task_.data->batch(order_, first, train.batch), forward_);
    backward(loss, Tensor::full(loss.shape(), share, loss.dtype(), loss.device()));
    const double value = loss.item();  // waits for the device: when all of its work is queued
    if (!std::isfinite(value)) return value;
    sum += value;
  }
  return sum * share;
}

/// One optimizer step; returns its line of metrics.jsonl.
nlohmann::json Trainer::train_step() {
  const TrainSettings& train = task_.train;
  const double started = now_seconds();
  const double loss = forward_backward();
  const double norm = std::isfinite(loss) ? optimizer_.gradient_norm() : loss;
  if (!std::isfinite(norm)) {
    const std::string kept = saved_step_ > 0 ? concat("the checkpoint of step ", saved_step_, " is kept")
                                             : std::string("there is no checkpoint yet");
    fail("step ", step_ + 1, ": the ", std::isfinite(loss) ? "gradient's norm" : "loss", " is ", norm,
         ", so the run stops; ", kept, ". Use a lower --lr or a longer --warmup in a new --out");
  }
  const double lr = train.schedule_of_steps().at(step_ + 1);
  const double scale = train.clip > 0 && norm > train.clip ? train.clip / norm : 1.0;
  optimizer_.step(step_ + 1, {.lr = lr, .weight_decay = train.weight_decay}, scale);
  ++step_;
  last_loss_ = loss;
  const double tokens = static_cast<double>(train.rows_per_step() * train.context);
  return {{"step", step_},
          {"loss", loss},
          {"lr", lr},
          {"grad_norm", norm},
          {"tokens_per_s", tokens / (now_seconds() - started)},
          {"peak_bytes", memory_counters(model_.device()).peak_bytes}};
}

/// Mean loss over the first --eval-tokens of the evaluation data, under full attention.
double Trainer::evaluate() const {
  NoGrad no_grad;
  const int64_t rows =
      std::min(task_.eval_data->rows(), std::max<int64_t>(task_.train.eval_tokens / task_.train.context, 1));
  double sum = 0;
  for (int64_t first = 0; first < rows; first += task_.train.batch) {
    const int64_t count = std::min(task_.train.batch, rows - first);
    sum += model_.loss(task_.eval_data->in_order(first, count)).item() * static_cast<double>(count);
  }
  return sum / static_cast<double>(rows);
}

void Trainer::save() {
  if (saved_step_ != step_) {
    write_checkpoint(run_.checkpoint_path(step_), {step_, random_state(), task_.settings},
                     optimizer_.state());
    saved_step_ = step_;
    run_.prune_checkpoints();
  }
  task_.write_outputs();
  run_.draw_losses();
}

TrainEnd Trainer::run() {
  const TrainSettings& train = task_.train;
  const InterruptGuard interrupt;
  announce();
  Progress progress("training", train.steps, step_);
  const int64_t first = step_;
  reset_peak(model_.device());
  while (step_ < train.steps && !InterruptGuard::requested()) {
    nlohmann::json line = train_step();
    const bool evaluates = task_.eval_data && (step_ % train.eval_every == 0 || step_ == train.steps);
    if (evaluates) line["eval_loss"] = evaluate();
    metrics_->append(line);
    const double speed = line["tokens_per_s"].get<double>();
    const double seconds = static_cast<double>(train.rows_per_step() * train.context) / speed;
    if (step_ == first + 1)
      progress.note(concat("the first step took ", figures(seconds), " s: about ",
                           format_duration(seconds * static_cast<double>(train.steps - first)), " in all"));
    if (evaluates)
      progress.note(concat("step ", step_, ": evaluation loss ", line["eval_loss"].get<double>()));
    progress.update(step_, "loss " + figures(last_loss_) + "  " + short_number(speed) + " tok/s");
    if (train.save_every > 0 && step_ % train.save_every == 0 && step_ < train.steps) save();
  }
  progress.finish();
  save();
  return step_ == train.steps ? TrainEnd::finished : TrainEnd::interrupted;
}

}  // namespace scca
