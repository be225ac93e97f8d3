#include "train/run/trainer.h"

#include <chrono>
#include <cmath>
#include <iostream>
#include <span>

#include "core/autograd.h"
#include "core/check.h"
#include "core/device.h"
#include "core/hash.h"
#include "core/random.h"
#include "models/own_attention.h"
#include "train/report/messages.h"
#include "train/report/progress.h"
#include "train/run/checkpoint.h"
#include "train/run/checkpointing.h"
#include "train/run/interrupt.h"
#include "train/run/pose.h"
#include "train/run/rate.h"
#include "train/run/restore.h"
#include "train/run/step.h"

namespace scca {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Four significant figures: enough to watch a loss.
std::string figures(double value) {
  std::ostringstream out;
  out.precision(4);
  out << value;
  return out.str();
}

/// "; about 3.2 s a step (590 GFLOP, and products here run at 230 GFLOP/s)" on the CPU, for steps long enough
/// to be worth a measurement.
std::string expected_time(const StepPlan& plan) {
  constexpr double worth_it = 2e11;
  if (plan.device != Device::cpu || plan.total_flops() < worth_it) return "";
  const double gflops = matmul_gflops(1024, 0.05);
  return concat("; about ", figures(expected_seconds(plan.total_flops(), gflops)), " s a step (",
                figures(plan.total_flops() * 1e-9), " GFLOP, and products here run at ", figures(gflops),
                " GFLOP/s)");
}

/// "; checkpointing auto: 18 of 30 layers kept, attention in all"
std::string kept_layers(const StepPlan& plan) {
  return concat("; checkpointing auto: ", plan.kept_layers(), " of ", plan.layers, " layers kept",
                plan.keeps_attention() ? ", attention in all" : "");
}

std::string not_reached(const std::string& phase) {
  return phase.empty() ? "" : concat(", of which --steps does not reach ", phase);
}

/// ", 31 % of them learned" where not all are.
std::string learned_share(const TokenRows& data) {
  if (data.learned() == data.tokens()) return "";
  return concat(", ", figures(100 * static_cast<double>(data.learned()) / static_cast<double>(data.tokens())),
                " % of them learned");
}

}  // namespace

CheckedTraining::CheckedTraining(const Llama& model, const TrainSettings& train)
    : attention(training_attention(train, model.config)) {
  for (const auto& [spec, until] : attention.phases()) {
    spec.check_layers(model.config.num_hidden_layers);
    for (int64_t layer = 0; layer < model.config.num_hidden_layers; ++layer)
      spec.plan(train.context, model.config.num_attention_heads, layer);
  }
  const int64_t room = room_for_step(available_memory(model.device()), model);
  plan = chosen_step(model_like(model), train, room, There::model);
  check_memory(plan, train, There::model);
}

double own_attention_loss(Llama& model, const TokenRows& data, int64_t rows, int64_t batch) {
  const NoGrad no_grad;
  double sum = 0, weights = 0;
  for (int64_t first = 0; first < rows; first += batch) {
    const int64_t count = std::min(batch, rows - first);
    const RowBatch some = data.in_order(first, count);
    // in rows of full length: `count` where all is predicted
    const double weight = static_cast<double>(some.predictions) / static_cast<double>(data.context() - 1);
    sum += loss_of(model, some, {}).item() * weight;
    weights += weight;
  }
  return sum / weights;
}

Trainer::Trainer(Llama& model, TrainTask task, RunFolder& run)
    : model_(model),
      task_(std::move(task)),
      run_(run),
      checked_(model, task_.train),
      optimizer_(model),
      order_(task_.data->order(task_.train.seed)) {
  task_.record.settings["data_fingerprint"] = hexadecimal(task_.data->fingerprint());
  if (const std::string plans = checked_.attention.file_hashes(); !plans.empty())
    task_.record.settings["attention_fingerprint"] = plans;
  if (task_.eval_data) {
    const int64_t rows = eval_rows();
    eval_text_ = hexadecimal(hash_bytes(&rows, sizeof rows, task_.eval_data->fingerprint()));
  }
  resume();
  run_.write_config(task_.record.settings);
}

void Trainer::resume() {
  if (const auto state = restore_newest(run_, task_.record, task_.train.steps, optimizer_.state())) {
    set_random_state(state->random);
    step_ = saved_step_ = state->step;
    std::cerr << "resuming " << run_.name() << " after step " << step_ << "\n";
  }
  metrics_ = std::make_unique<Metrics>(run_.path() / "metrics.jsonl", step_);
  for (const StepMetrics& line : metrics_->before()) {
    norms_.add(line.step, line.grad_norm);
    last_loss_ = line.loss;
  }
  resume_best();
}

/// Only losses on the same text compare, and a resumed run may have another --eval-data or --eval-tokens.
void Trainer::resume_best() {
  if (!task_.eval_data) return;
  int64_t others = 0;
  for (const StepMetrics& line : metrics_->before()) {
    if (!line.eval_loss) continue;
    if (line.eval_text != eval_text_)
      ++others;
    else if (is_best(*line.eval_loss))
      best_ = {line.step, *line.eval_loss};
  }
  if (others > 0)
    note(concat(others, others == 1 ? " evaluation" : " evaluations",
                " of this run so far not on what --eval-data and --eval-tokens name now; the best, which ",
                run_.name(), "/best holds, is chosen among those that are"));
}

void Trainer::announce() const {
  const TrainSettings& train = task_.train;
  const double rows = static_cast<double>(task_.data->rows());
  const std::string time = expected_time(checked_.plan);
  // One write: a request that comes now is answered on a line of its own.
  std::cerr << concat("training ", short_number(static_cast<double>(optimizer_.parameter_count())),
                      " parameters on ", short_number(static_cast<double>(task_.data->tokens())), " tokens",
                      learned_share(*task_.data), ": ", task_.data->rows(), " rows of ", train.context, ", ",
                      task_.data->packs_documents() ? "documents apart, " : "",
                      train.positions == "pose"
                          ? concat("at positions of ", train.target_context, " (PoSE, one gap a row), ")
                          : "",
                      train.rows_per_step(), " a step, ",
                      figures(static_cast<double>(train.steps * train.rows_per_step()) / rows), " epochs in ",
                      train.steps, " steps; attention ", checked_.attention.to_string(),
                      train.attention.empty() && model_.config.sliding_window > 0 ? ", the model's own" : "",
                      not_reached(checked_.attention.beyond(train.steps)),
                      train.checkpointing == "auto" ? kept_layers(checked_.plan) : "",
                      "; predicted peak memory ", describe(checked_.plan), time, "\n");
}

/// One optimizer step; returns its line of metrics.jsonl.
StepMetrics Trainer::train_step() {
  const TrainSettings& train = task_.train;
  const double started = now_seconds();
  const std::vector<int64_t> rows = order_.rows(step_ * train.rows_per_step(), train.rows_per_step());
  const StepPasses passes{train.grad_accum, task_.data->predictions(rows)};
  const ForwardOptions forward{.attention = checked_.attention.at(step_ + 1),
                               .training = true,
                               .checkpointing = checked_.plan.checkpointing};
  const double loss = forward_backward(model_, forward, passes, [&](int64_t pass) {
    const int64_t first = pass * train.batch;
    RowBatch batch = task_.data->batch(
        std::span(rows).subspan(static_cast<size_t>(first), static_cast<size_t>(train.batch)));
    place_rows(batch, train, step_ * train.rows_per_step() + first);
    return batch;
  });
  const double norm = std::isfinite(loss) ? optimizer_.gradient_norm() : loss;
  if (!std::isfinite(norm))
    fail("step ", step_ + 1, ": the ", std::isfinite(loss) ? "gradient's norm" : "loss", " is ", norm,
         ", so the run stops; ", go_back(),
         ". Use a lower --lr or a longer --warmup in a new --out; --resume would come to this step again");
  norms_.add(step_ + 1, norm);
  const double lr = train.schedule_of_steps().at(step_ + 1);
  const double scale = train.clip > 0 && norm > train.clip ? train.clip / norm : 1.0;
  optimizer_.step(step_ + 1, {.lr = lr, .weight_decay = train.weight_decay}, scale);
  ++step_;
  last_loss_ = loss;
  const double tokens = static_cast<double>(train.rows_per_step() * train.context);
  return {.step = step_,
          .loss = loss,
          .lr = lr,
          .grad_norm = norm,
          .tokens_per_s = tokens / (now_seconds() - started),
          .peak_bytes = memory_counters(model_.device()).peak_bytes};
}

/// Leaves the outputs of the newest checkpoint that is known to be good; returns what is left, in words.
std::string Trainer::go_back() {
  if (saved_step_ <= 0) return "there is no checkpoint yet";
  const std::optional<int64_t> good = norms_.newest_good(run_.checkpoint_steps());
  if (!good)
    return concat("the checkpoint of step ", saved_step_, " is kept, but none is from before the norm rose");
  try {
    Checkpoint(run_.checkpoint_path(*good)).restore(optimizer_.state());
    step_ = *good;
    for (const StepMetrics& line : read_metrics(run_.path() / "metrics.jsonl"))
      if (line.step == step_) last_loss_ = line.loss;
    write_output();
  } catch (const std::exception& error) {
    return concat("its last good weights, of step ", *good, ", cannot be had back: ", error.what());
  }
  return concat("the checkpoint of step ", *good,
                ", from before the gradient's norm rose, is kept, and what ", run_.name(),
                " holds for use is of that step");
}

int64_t Trainer::eval_rows() const {
  return std::min(task_.eval_data->rows(),
                  std::max<int64_t>(task_.train.eval_tokens / task_.train.context, 1));
}

double Trainer::evaluate() const {
  return own_attention_loss(model_, *task_.eval_data, eval_rows(), task_.train.batch);
}

bool Trainer::is_best(double loss) const { return loss < (best_ ? best_->loss : HUGE_VAL); }

/// A resumed run finds its best so far among the lines of metrics.jsonl, and makes again what it loses there.
void Trainer::keep_best(double loss) {
  if (!is_best(loss)) return;
  best_ = {step_, loss};
  task_.write(run_.path() / "best", {.step = step_, .last_loss = last_loss_});
}

void Trainer::write_output() {
  task_.write(run_.path() / task_.output, {.step = step_, .last_loss = last_loss_});
}

void Trainer::save() {
  if (saved_step_ != step_) {
    write_checkpoint(run_.checkpoint_path(step_), {step_, random_state(), task_.record.settings},
                     optimizer_.state());
    saved_step_ = step_;
    run_.prune_checkpoints(norms_.newest_good(run_.checkpoint_steps()));
  }
  write_output();
  run_.show_metrics(training_attention(task_.train, model_.config), own_attention_name(model_.config));
}

TrainEnd Trainer::run() {
  const TrainSettings& train = task_.train;
  const InterruptGuard interrupt;
  announce();
  Progress progress("training", train.steps, step_);
  const int64_t first = step_;
  reset_peak(model_.device());
  while (step_ < train.steps && !InterruptGuard::requested()) {
    StepMetrics line = train_step();
    const bool evaluates = task_.eval_data && (step_ % train.eval_every == 0 || step_ == train.steps);
    if (evaluates) {
      line.eval_loss = evaluate();
      line.eval_text = eval_text_;
    }
    metrics_->append(line);
    if (line.eval_loss) keep_best(*line.eval_loss);
    const double speed = line.tokens_per_s;
    const double seconds = static_cast<double>(train.rows_per_step() * train.context) / speed;
    if (step_ == first + 1)
      progress.note(concat("the first step took ", figures(seconds), " s: about ",
                           format_duration(seconds * static_cast<double>(train.steps - first)), " in all"));
    if (line.eval_loss) progress.note(concat("step ", step_, ": evaluation loss ", *line.eval_loss));
    progress.update(step_, "loss " + figures(last_loss_) + "  " + short_number(speed) + " tok/s");
    if (train.save_every > 0 && step_ % train.save_every == 0 && step_ < train.steps) save();
  }
  progress.finish();
  save();
  return step_ == train.steps ? TrainEnd::finished : TrainEnd::interrupted;
}

}  // namespace scca
