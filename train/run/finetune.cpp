#include "train/run/finetune.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "core/check.h"
#include "core/device.h"
#include "core/file.h"
#include "core/random.h"
#include "models/adapter.h"
#include "models/config.h"
#include "models/fingerprint.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/rope_flags.h"
#include "train/run/memory.h"
#include "train/run/model_card.h"
#include "train/run/training_run.h"

namespace scca {
namespace {

const std::string kProjection = "_proj";  // how all of the linear layers' names end

/// "q,k,v,o,gate,up,down": the layers' names without their ending.
std::string short_targets() {
  std::string list;
  for (const std::string& name : Llama::linear_names())
    list += (list.empty() ? "" : ",") + name.substr(0, name.size() - kProjection.size());
  return list;
}

/// q is short for q_proj, and so on.
std::set<std::string> targets_of(const std::string& list) {
  const std::vector<std::string> short_names = split_list(short_targets());
  std::set<std::string> targets;
  for (const std::string& item : split_list(list)) {
    const bool known = std::ranges::find(short_names, item) != short_names.end();
    targets.insert(known ? item + kProjection : item);
  }
  targets.erase("");  // of an empty list
  return targets;
}

std::set<std::string> learning_of(const std::string& list) {
  const std::vector<std::string> items = split_list(list);
  std::set<std::string> learning(items.begin(), items.end());
  learning.erase("");  // of an empty list
  if (learning.empty())
    fail<UsageError>("--train: names nothing; expected some of embed,norm,head or all or none");
  if (learning.size() > 1 && (learning.contains("none") || learning.contains("all")))
    fail<UsageError>("--train ", list, ": all and none stand alone");
  return learning;
}

nlohmann::json json_of(const FinetuneSettings& s, const LlamaConfig& config, const AdapterInfo& info) {
  nlohmann::json settings = to_json(s.train);
  settings.update({{"command", "finetune"},
                   {"model", s.model.model},
                   {"model_config", computed_with(config)},
                   {"model_fingerprint", info.base_fingerprint},
                   {"dtype", s.model.dtype},
                   {"device", s.model.device},
                   {"rope", name_of(config.rope.type)},
                   {"rope_factor", config.rope.factor},
                   {"lora_rank", s.lora.rank},
                   {"lora_alpha", s.lora.alpha},
                   {"lora_targets", s.lora.targets},
                   {"lora_dropout", s.lora.dropout},
                   {"lora_rs", s.lora.rank_stabilised},
                   {"train", s.learning}});
  return settings;
}

void check_flags(const FinetuneSettings& settings) {
  check_settings(settings.train);
  Llama::check_lora(settings.lora);
}

struct Base {
  LlamaConfig given;
  Llama model;
  Tokenizer tokenizer;
};

/// What is trained on, once it is known that a step of the training fits in memory.
Base load_base(const FinetuneSettings& settings) {
  const LlamaConfig given = given_config(settings.model);
  check_extension(given, settings.model, settings.train.context);
  Llama model = load_model(settings.model, settings.train.context);
  Tokenizer tokenizer = load_tokenizer(settings.model);
  check_vocabulary(tokenizer, model.config);
  const StepPlan plan = plan_step(
      model_of(model.config, model.dtype, model.device(), settings.lora, settings.learning), settings.train);
  check_memory(plan, available_memory(plan.device), There::weights);  // before the adapters take it
  return {given, std::move(model), std::move(tokenizer)};
}

}  // namespace

FinetuneSettings::FinetuneSettings() {
  train.attention = "scca-fixed";
  train.checkpointing = true;
}

void add_lora_flags(CLI::App& app, FinetuneSettings& s) {
  begin_section(app, section::kLora);
  app.add_option("--lora-rank", s.lora.rank, "Rank of the updates")
      ->transform(whole_number(kMostRank))
      ->capture_default_str();
  app.add_option("--lora-alpha", s.lora.alpha, "Updates are scaled by alpha / rank")
      ->transform(real_number())
      ->capture_default_str();
  app.add_flag("--lora-rs", s.lora.rank_stabilised,
               "Scale by alpha / sqrt(rank) instead: rank-stabilised, for larger ranks");
  app.add_option_function<std::string>(
         "--lora-targets", [&s](const std::string& list) { s.lora.targets = targets_of(list); },
         "Layers with an update: some of " + short_targets())
      ->type_name("LIST")
      ->transform(list_of(any_word("LIST")))
      ->default_str("q,k,v,o");
  app.add_option("--lora-dropout", s.lora.dropout, "Dropout of the updates' input")
      ->transform(real_number())
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--train", [&s](const std::string& list) { s.learning = learning_of(list); },
         "What of the base learns too: some of embed,norm,head, or all or none")
      ->type_name("LIST")
      ->transform(list_of(any_word("LIST")))
      ->default_str("embed,norm");
}

void check_finetune(FinetuneSettings settings) {
  check_flags(settings);
  settings.model = with_default_rope(std::move(settings.model));
  load_base(settings);
}

int finetune(FinetuneSettings settings) {
  check_flags(settings);
  RunFolder::check(settings.train.out, settings.train.resume);
  settings.model = with_default_rope(std::move(settings.model));
  Base base = load_base(settings);
  const LlamaConfig& given = base.given;
  Llama& model = base.model;
  set_random_state({settings.train.seed, 0});
  model.add_lora(settings.lora);
  model.set_trainable(settings.learning);
  AdapterInfo info{.lora = settings.lora,
                   .trained = settings.learning,
                   .base_model = settings.model.model,
                   .base_fingerprint = fingerprint_of(Weights(settings.model.model)).to_string()};
  info.trained.erase("none");
  const auto describe = [&](const std::filesystem::path& folder, const RunNumbers& numbers) {
    write_file(folder / "README.md",
               model_card(folder.string(), info, given, model.config, settings.train, numbers));
  };
  const std::string both = concat("--model ", shell_word(settings.model.model), " --adapter ",
                                  shell_word(settings.train.out + "/adapter"));
  std::vector<std::string> next;
  if (settings.concluded)
    next = {concat("scca eval ", both, " --data HELD_OUT_TEXT --context ", settings.train.context),
            concat("scca generate ", both, " --prompt \"...\""),
            concat("scca merge ", both, " --out MERGED_MODEL   # a folder that needs no adapter"),
            concat("with PEFT: see ", shell_word(settings.train.out + "/adapter/README.md"))};
  return run_training(
      model, given, base.tokenizer, settings.train, json_of(settings, model.config, info),
      {.name = "adapter",
       .write = [&](const std::filesystem::path& folder) { save_adapter(model, info, folder.string()); },
       .describe = describe,
       .judged = settings.concluded,
       .next = std::move(next)});
}

}  // namespace scca
