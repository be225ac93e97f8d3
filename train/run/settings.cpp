#include "train/run/settings.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "core/numbers.h"
#include "models/own_attention.h"
#include "models/tokenizer/chat_form.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/setting_table.h"
#include "train/cli/settings_file.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/run/attention_schedule.h"

namespace scca {
namespace {

SettingTable data_settings(TrainSettings& s) {
  return {
      {.name = "data",
       .member = &s.data,
       .help = concat(kDataHelp, "; PATH=WEIGHT for each mixes them"),
       .type = "PATH",
       .required = true,
       .may_differ = true},
      {.name = "bos",
       .member = &s.bos,
       .help = bos_help("before every document"),
       .takes = CLI::IsMember(bos_choices())},
      {.name = "keep_line_ends", .member = &s.keep_line_ends, .help = kLineEndsHelp, .may_differ = true},
      {.name = "text_field", .member = &s.text_field, .help = kTextFieldHelp, .type = "NAME"},
      {.name = "chat_template",
       .member = &s.chat_template,
       .help = chat_template_help(),
       .type = "NAME",
       .accepts =
           [](const std::string& name) {
             if (!name.empty()) chat_form_named(name);
           }},
      {.name = "token_cache",
       .member = &s.token_cache,
       .help = kTokenCacheHelp,
       .type = "FOLDER|off",
       .may_differ = true},
      {.name = "loss",
       .member = &s.loss,
       .help = "What of chats and completions is learned",
       .takes = CLI::IsMember({"answers", "all"})},
      {.name = "pack", .member = &s.pack, .help = kPackHelp, .takes = CLI::IsMember({"rows", "documents"})},
      {.name = "context",
       .member = &s.context,
       .help = "Tokens of a training row",
       .takes = token_count(),
       .bound = at_least(2),
       .required = true}};
}

/// What a step is.
SettingTable step_settings(TrainSettings& s) {
  const auto finite = [](double x) { return std::isfinite(x) && x >= 0; };
  const Bound share{[](double x) { return x >= 0 && x <= 1; }, "a share in [0, 1]"};
  return {{.name = "steps",
           .member = &s.steps,
           .help = "Optimizer steps; may grow when a run is resumed",
           .takes = whole_number(),
           .bound = at_least(1),
           .may_differ = true},
          {.name = "batch",
           .member = &s.batch,
           .help = "Rows of a forward pass",
           .takes = whole_number(),
           .bound = at_least(1)},
          {.name = "grad_accum",
           .member = &s.grad_accum,
           .help = "Forward passes of an optimizer step",
           .takes = whole_number(),
           .bound = at_least(1)},
          {.name = "lr",
           .member = &s.lr,
           .help = "Peak learning rate of AdamW (0.9, 0.95)",
           .takes = real_number(),
           .bound = above_zero()},
          {.name = "warmup",
           .member = &s.warmup,
           .help = "Steps of linear warm-up",
           .takes = whole_number(),
           .bound = at_least(0)},
          {.name = "schedule",
           .member = &s.schedule,
           .help = "The rate after the warm-up",
           .takes = CLI::IsMember({"constant", "cosine"})},
          {.name = "lr_final",
           .member = &s.lr_final,
           .help = "Cosine: the last rate as a share of --lr",
           .takes = real_number(),
           .bound = share},
          {.name = "clip",
           .member = &s.clip,
           .help = "Cut the gradient to this norm; 0 does not",
           .takes = real_number(),
           .bound = Bound{finite, "a number above 0, or 0 for no clipping"}},
          {.name = "weight_decay",
           .member = &s.weight_decay,
           .help = "AdamW's decay of matrices",
           .takes = real_number(),
           .bound = Bound{finite, "0 or more"}},
          {.name = "seed",
           .member = &s.seed,
           .help = "Of the row order, dropout and fresh weights",
           .takes = seed_number()}};
}

SettingTable attention_settings(TrainSettings& s) {
  return {{.name = "attention",
           .member = &s.attention,
           .help = concat(
               "Attention pattern in training: a spec, see scca patterns; or one after another, SPEC..20, "
               "SPEC: the first up to step 20 (default: ",
               s.usual_attention, ", or the sliding window of the model's config.json)"),
           .takes = some_pattern(),
           .accepts = [](const std::string& text) { AttentionSchedule{text}; }}};
}

SettingTable evaluation_settings(TrainSettings& s) {
  return {{.name = "eval_data",
           .member = &s.eval_data,
           .help = "Texts to evaluate on, under the model's own attention",
           .type = "PATH",
           .may_differ = true},
          {.name = "eval_every",
           .member = &s.eval_every,
           .help = "Steps between evaluations on --eval-data; 0 for none",
           .takes = whole_number(),
           .bound = at_least(0),
           .may_differ = true},
          {.name = "eval_tokens",
           .member = &s.eval_tokens,
           .help = "Tokens of an evaluation, at most",
           .takes = token_count(kMostTextTokens),
           .bound = at_least(1),
           .may_differ = true}};
}

SettingTable output_settings(TrainSettings& s) {
  return {{.name = "out",
           .member = &s.out,
           .help = "The run's folder, which must not be there yet",
           .type = "FOLDER",
           .required = true,
           .may_differ = true},
          {.name = "resume",
           .member = &s.resume,
           .help = "Go on from the run's last checkpoint; from the start if it has none",
           .written = false},
          {.name = "save_every",
           .member = &s.save_every,
           .help = "Steps between checkpoints; 0 saves at the end only",
           .takes = whole_number(),
           .bound = at_least(0),
           .may_differ = true}};
}

SettingTable machine_settings(TrainSettings& s) {
  return {{.name = "checkpointing",
           .member = &s.checkpointing,
           .help = "Keep one activation a layer and compute the rest twice; auto: in as few layers as memory "
                   "allows",
           .takes = CLI::IsMember({"on", "off", "auto"}),
           .may_differ = true,
           .older = [](const nlohmann::json& value) -> nlohmann::json {
             return value.is_boolean() ? value.get<bool>() ? "on" : "off" : value;
           }},
          {.name = "force",
           .member = &s.force,
           .help = "Start also where the plan of a step does not fit in the memory that is free",
           .written = false}};
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

std::string training_attention(const TrainSettings& settings, const LlamaConfig& config) {
  if (!settings.attention.empty()) return settings.attention;
  return config.sliding_window > 0 ? own_attention_text(config) : settings.usual_attention;
}

SettingTable train_settings(TrainSettings& s) {
  return in_section(section::kData, data_settings(s)) + in_section(section::kTraining, step_settings(s)) +
         in_section(section::kAttention, attention_settings(s)) +
         in_section(section::kEvaluation, evaluation_settings(s)) +
         in_section(section::kOutput, output_settings(s)) +
         in_section(section::kMachine, machine_settings(s));
}

void check_settings(const TrainSettings& settings) {
  TrainSettings s = settings;
  check_bounds(train_settings(s));
  if (s.eval_every > 0 && s.eval_tokens < s.context)
    fail<UsageError>("--eval-tokens ", s.eval_tokens,
                     ": expected --context or more, as --eval-every is given");
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

SettingTable recorded_keys() {
  return {{.name = record::kCommand},
          {.name = record::kVersion, .may_differ = true},
          {.name = record::kDerived, .may_differ = true},
          {.name = "model_config"},
          {.name = "model_fingerprint"},
          {.name = "data_fingerprint"},
          {.name = "attention_fingerprint"}};
}

RunRecord record_of(const SettingTable& table, const std::string& command) {
  RunRecord record{to_json(table), {}};
  record.settings[record::kCommand] = command;
  record.settings[record::kVersion] = SCCA_VERSION;
  for (const SettingRow& s : table)
    if (s.may_differ) record.may_differ.insert(s.name);
  return record;
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

void check_same_settings(const nlohmann::json& before, const RunRecord& now, const std::string& run) {
  const std::string difference = first_difference(before, now.settings, now.may_differ, run);
  if (!difference.empty())
    fail<UsageError>(
        difference, "; only --steps may grow: resume with the settings it began with, or choose a new --out");
}

}  // namespace scca
