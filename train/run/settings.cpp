#include "train/run/settings.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/check.h"
#include "core/numbers.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"

namespace scca {
namespace {

template <class T>
void expect(bool holds, const char* flag, const T& value, const char* expected) {
  if (!holds) fail<UsageError>(flag, " ", value, ": expected ", expected);
}

/// "grad_accum" to "--grad-accum"
std::string flag_of(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// These may change from sitting to sitting: they shape no loss, or a fingerprint stands for what they name.
const std::set<std::string> kFree{"out",         "steps",  "save_every",     "eval_every", "eval_data",
                                  "eval_tokens", "data",   "keep_line_ends", "model",      "tokenizer",
                                  "config",      "device", "version"};

/// What a step is.
void add_step_flags(CLI::App& app, TrainSettings& s) {
  begin_section(app, section::kTraining);
  app.add_option("--steps", s.steps, "Optimizer steps; may grow when a run is resumed")
      ->transform(whole_number());
  app.add_option("--batch", s.batch, "Rows of a forward pass")->transform(whole_number());
  app.add_option("--grad-accum", s.grad_accum, "Forward passes of an optimizer step")
      ->transform(whole_number());
  app.add_option("--lr", s.lr, "Peak learning rate of AdamW (0.9, 0.95)")->transform(real_number());
  app.add_option("--warmup", s.warmup, "Steps of linear warm-up")->transform(whole_number());
  app.add_option("--schedule", s.schedule, "The rate after the warm-up")
      ->check(CLI::IsMember({"constant", "cosine"}));
  app.add_option("--lr-final", s.lr_final, "Cosine: the last rate as a share of --lr")
      ->transform(real_number());
  app.add_option("--clip", s.clip, "Cut the gradient to this norm; 0 does not")->transform(real_number());
  app.add_option("--weight-decay", s.weight_decay, "AdamW's decay of matrices")->transform(real_number());
  app.add_option("--seed", s.seed, "Of the row order, dropout and fresh weights")->transform(seed_number());
}

constexpr const char* kFingerprint = "_fingerprint";

int rank_of(const std::string& key) {
  return key == "model_config" ? 1 : key.ends_with(kFingerprint) ? 2 : 0;
}

/// "--lr is 0.5 but RUN began with 0.0002"
std::string difference(const std::string& key, const nlohmann::json& was, const nlohmann::json& is,
                       const std::string& run) {
  if (key.ends_with(kFingerprint)) {
    return concat(flag_of(key.substr(0, key.size() - std::strlen(kFingerprint))),
                  ": what it names differs from what ", run, " began with (by its hash: ", is.dump(),
                  ", not ", was.dump(), ")");
  }
  if (key != "model_config" || !was.is_object() || !is.is_object())
    return concat(flag_of(key), " is ", is.dump(), " but ", run, " began with ", was.dump());
  std::string field;
  for (const auto& [name, value] : is.items())
    if (was.value(name, nlohmann::json()) != value) field = name;
  for (const auto& [name, value] : was.items())
    if (!is.contains(name)) field = name;
  return concat("the model's config.json: ", field, " is ", is.value(field, nlohmann::json()).dump(), " but ",
                run, " began with ", was.value(field, nlohmann::json()).dump());
}

}  // namespace

Schedule TrainSettings::schedule_of_steps() const {
  return {
      .peak = lr, .warmup = warmup, .steps = steps, .cosine = schedule == "cosine", .final_share = lr_final};
}

void add_train_flags(CLI::App& app, TrainSettings& s) {
  app.option_defaults()->always_capture_default();
  begin_section(app, section::kData);
  app.add_option("--data", s.data, "Text files, JSONL with a `text` field, or folders of both")
      ->type_name("PATH")
      ->required();
  add_bos_flag(app, s.bos, "before every document");
  add_line_ends_flag(app, s.keep_line_ends);
  app.add_option("--context", s.context, "Tokens of a training row")->transform(token_count())->required();
  add_step_flags(app, s);
  begin_section(app, section::kAttention);
  app.add_option("--attention", s.attention, "Attention pattern in training: a spec, see scca patterns")
      ->type_name("SPEC");
  begin_section(app, section::kEvaluation);
  app.add_option("--eval-data", s.eval_data, "Texts to evaluate on, under full attention")->type_name("PATH");
  app.add_option("--eval-every", s.eval_every, "Steps between evaluations on --eval-data; 0 for none")
      ->transform(whole_number());
  app.add_option("--eval-tokens", s.eval_tokens, "Tokens of an evaluation, at most")
      ->transform(token_count(kMostTextTokens));
  begin_section(app, section::kOutput);
  app.add_option("--out", s.out, "The run's folder, which must not be there yet")
      ->type_name("FOLDER")
      ->required();
  app.add_flag("--resume", s.resume, "Go on from the run's last checkpoint; from the start if it has none");
  app.add_option("--save-every", s.save_every, "Steps between checkpoints; 0 saves at the end only")
      ->transform(whole_number());
  begin_section(app, section::kMachine);
  app.add_option_function<std::string>(
         "--checkpointing", [&s](const std::string& value) { s.checkpointing = value == "on"; },
         "Keep one activation a layer and compute the rest twice")
      ->check(CLI::IsMember({"on", "off"}))
      ->default_str(s.checkpointing ? "on" : "off");
}

void check_settings(const TrainSettings& s) {
  const auto positive = [](double x) { return std::isfinite(x) && x > 0; };
  const auto share = [](double x) { return x >= 0 && x <= 1; };
  expect(s.context >= 2, "--context", s.context, "2 or more");
  expect(s.steps >= 1, "--steps", s.steps, "1 or more");
  expect(s.batch >= 1, "--batch", s.batch, "1 or more");
  expect(s.grad_accum >= 1, "--grad-accum", s.grad_accum, "1 or more");
  expect(positive(s.lr), "--lr", s.lr, "a number above 0");
  expect(s.warmup >= 0, "--warmup", s.warmup, "0 or more");
  expect(share(s.lr_final), "--lr-final", s.lr_final, "a share in [0, 1]");
  expect(s.clip == 0 || positive(s.clip), "--clip", s.clip, "a number above 0, or 0 for no clipping");
  expect(s.weight_decay == 0 || positive(s.weight_decay), "--weight-decay", s.weight_decay, "0 or more");
  expect(s.save_every >= 0, "--save-every", s.save_every, "0 or more");
  expect(s.eval_every >= 0, "--eval-every", s.eval_every, "0 or more");
  if (s.eval_every > 0)
    expect(s.eval_tokens >= s.context, "--eval-tokens", s.eval_tokens,
           "--context or more, as --eval-every is given");
  expect(s.eval_tokens >= 1, "--eval-tokens", s.eval_tokens, "1 or more");
  // Everything that is counted in a run, tokens above all, then fits 64 bits.
  if (!checked_product({s.batch, s.context}) || *checked_product({s.batch, s.context}) > kMostCount)
    fail<UsageError>("--batch ", s.batch, " x --context ", s.context, ": expected at most ", kMostCount,
                     " tokens in a forward pass; use --grad-accum for larger steps");
  if (!checked_product({s.batch, s.context, s.grad_accum, s.steps}))
    fail<UsageError>("--steps ", s.steps, " x --grad-accum ", s.grad_accum, " x --batch ", s.batch,
                     " x --context ", s.context, ": are more than 2^63 tokens");
  if ((s.eval_every > 0) != !s.eval_data.empty())
    fail<UsageError>("--eval-every and --eval-data go together; ",
                     s.eval_every > 0 ? "--eval-data" : "--eval-every", " is missing");
}

nlohmann::json to_json(const TrainSettings& s) {
  return {{"data", s.data},
          {"bos", s.bos},
          {"keep_line_ends", s.keep_line_ends},
          {"out", s.out},
          {"context", s.context},
          {"steps", s.steps},
          {"batch", s.batch},
          {"grad_accum", s.grad_accum},
          {"lr", s.lr},
          {"warmup", s.warmup},
          {"schedule", s.schedule},
          {"lr_final", s.lr_final},
          {"clip", s.clip},
          {"weight_decay", s.weight_decay},
          {"seed", s.seed},
          {"attention", s.attention},
          {"checkpointing", s.checkpointing},
          {"save_every", s.save_every},
          {"eval_every", s.eval_every},
          {"eval_data", s.eval_data},
          {"eval_tokens", s.eval_tokens}};
}

std::string first_difference(const nlohmann::json& before, const nlohmann::json& now,
                             const std::set<std::string>& free, const std::string& run) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : before.items()) keys.push_back(key);
  for (const auto& [key, value] : now.items())
    if (!before.contains(key)) keys.push_back(key);
  // A flag may shape what is made of it (--context the rows of the data): it is what the user changed.
  std::ranges::sort(keys, {}, [](const std::string& key) { return std::pair(rank_of(key), key); });
  for (const std::string& key : keys) {
    const nlohmann::json was = before.value(key, nlohmann::json()), is = now.value(key, nlohmann::json());
    if (was == is || free.contains(key)) continue;
    if ((was.is_null() || was == false) && (is.is_null() || is == false))
      continue;  // a flag of a later version, not given
    return difference(key, was, is, run);
  }
  return "";
}

void check_same_settings(const nlohmann::json& before, const nlohmann::json& now, const std::string& run) {
  const std::string difference = first_difference(before, now, kFree, run);
  if (!difference.empty())
    fail<UsageError>(
        difference, "; only --steps may grow: resume with the settings it began with, or choose a new --out");
}

}  // namespace scca
