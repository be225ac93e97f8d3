// scca finetune: a pretrained model to a longer context, by LoRA, RoPE scaling and a sparse pattern in
// training. Leaves an adapter in RUN/adapter.
#include <algorithm>
#include <iostream>
#include <memory>
#include <set>

#include "core/check.h"
#include "core/random.h"
#include "models/adapter.h"
#include "models/config.h"
#include "train/command.h"
#include "train/model_flags.h"
#include "train/training_run.h"

namespace scca {
namespace {

struct FinetuneFlags {
  TrainSettings train;
  ModelFlags model;
  LoraOptions lora;
  std::string targets = "q,k,v,o", learns = "embed,norm";
};

/// q, k, v, o, gate, up, down are short for q_proj and so on.
std::set<std::string> targets_of(const std::string& list) {
  static const std::set<std::string> kShort{"q", "k", "v", "o", "gate", "up", "down"};
  std::set<std::string> targets;
  for (const std::string& item : split_list(list))
    targets.insert(kShort.contains(item) ? item + "_proj" : item);
  return targets;
}

std::set<std::string> learning_of(const std::string& list) {
  const std::vector<std::string> items = split_list(list);
  std::set<std::string> learning(items.begin(), items.end());
  if (learning.empty())
    fail<UsageError>("--train: names nothing; expected some of embed,norm,head or all or none");
  if (learning.size() > 1 && (learning.contains("none") || learning.contains("all")))
    fail<UsageError>("--train ", list, ": all and none stand alone");
  return learning;
}

nlohmann::json settings_of(const FinetuneFlags& flags, const LlamaConfig& config) {
  nlohmann::json settings = to_json(flags.train);
  settings.update({{"command", "finetune"},
                   {"model", flags.model.model},
                   {"dtype", flags.model.dtype},
                   {"device", flags.model.device},
                   {"rope", name_of(config.rope.type)},
                   {"rope_factor", config.rope.factor},
                   {"lora_rank", flags.lora.rank},
                   {"lora_alpha", flags.lora.alpha},
                   {"lora_targets", flags.lora.targets},
                   {"lora_dropout", flags.lora.dropout},
                   {"train", learning_of(flags.learns)}});
  return settings;
}

int finetune(FinetuneFlags flags) {
  check_settings(flags.train);
  flags.lora.targets = targets_of(flags.targets);
  flags.lora.validate();
  const std::set<std::string> learning = learning_of(flags.learns);
  RunFolder::check(flags.train.out, flags.train.resume);
  // A base that comes with a scaling of its own keeps it unless told otherwise.
  const bool rope_given = !flags.model.rope.empty() || flags.model.rope_factor > 0;
  if (!rope_given && read_config(flags.model.model).rope.type == RopeType::none) flags.model.rope = "linear";
  Llama model = load_model(flags.model, flags.train.context);
  const Tokenizer tokenizer = load_tokenizer(flags.model);
  check_vocabulary(tokenizer, model.config);
  set_random_state({flags.train.seed, 0});
  model.add_lora(flags.lora);
  model.set_trainable(learning);
  AdapterInfo info{.lora = flags.lora, .trained = learning, .base_model = flags.model.model};
  info.trained.erase("none");
  return run_training(
      model, tokenizer, flags.train, settings_of(flags, model.config),
      [&](const RunFolder& run) { save_adapter(model, info, (run.path() / "adapter").string()); });
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<FinetuneFlags>();
  flags->train.attention = "scca-fixed";
  flags->train.checkpointing = true;
  add_model_flags(app, flags->model, /*with_adapter=*/false);
  app.add_option("--lora-rank", flags->lora.rank, "Rank of the updates")->capture_default_str();
  app.add_option("--lora-alpha", flags->lora.alpha, "Updates are scaled by alpha / rank")
      ->capture_default_str();
  app.add_option("--lora-targets", flags->targets, "Layers with an update: q,k,v,o,gate,up,down")
      ->capture_default_str();
  app.add_option("--lora-dropout", flags->lora.dropout, "Dropout of the updates' input")
      ->capture_default_str();
  app.add_option("--train", flags->learns, "What of the base learns too: embed,norm,head or all or none")
      ->capture_default_str();
  add_train_flags(app, flags->train);
  return [flags] { return finetune(*flags); };
}

const RegisterCommand line("finetune", "Extend a model's context: LoRA, RoPE scaling, sparse attention",
                           set_up);

}  // namespace
}  // namespace scca
