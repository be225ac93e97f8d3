#include "train/run/finetune.h"

#include <algorithm>

#include "core/check.h"
#include "core/device.h"
#include "core/file.h"
#include "core/joined.h"
#include "core/random.h"
#include "models/adapter.h"
#include "models/config.h"
#include "models/fingerprint.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/rope_flags.h"
#include "train/cli/setting_table.h"
#include "train/cli/settings_file.h"
#include "train/run/memory.h"
#include "train/run/model_card.h"
#include "train/run/pose.h"
#include "train/run/training_run.h"

namespace scca {
namespace {

const std::vector<std::string>& layers() {
  static const std::vector<std::string> names = Llama::linear_names();
  return names;
}
const std::string kProjection = "_proj";  // how all of their names end

/// q, k, v, o, gate, up, down are short for q_proj and so on.
std::vector<std::string> targets_of(const std::string& list) {
  if (list.empty())
    fail<UsageError>("--lora-targets: names no layer; expected some of ", joined(layers(), ","));
  std::vector<std::string> targets;
  for (const std::string& item : split_list(list)) {
    const auto layer = std::ranges::find_if(
        layers(), [&](const auto& name) { return name == item || name == item + kProjection; });
    if (layer == layers().end())
      fail<UsageError>("--lora-targets: no layer is called '", item, "'; expected some of ",
                       joined(layers(), ","));
    targets.push_back(*layer);
  }
  return targets;
}

/// As --lora-targets takes them.
std::string short_list(const std::set<std::string>& targets) {
  std::vector<std::string> names;
  for (const std::string& layer : layers())
    if (targets.contains(layer)) names.push_back(layer.substr(0, layer.size() - kProjection.size()));
  return joined(names, ",");
}

std::vector<std::string> learning_of(const std::string& list) {
  if (list.empty())
    fail<UsageError>("--train: names nothing; expected some of embed,norm,head or all or none");
  std::vector<std::string> learning = split_list(list);
  const std::set<std::string> words(learning.begin(), learning.end());
  Llama::check_trainable(words, {});
  if (words.size() > 1 && (words.contains("none") || words.contains("all")))
    fail<UsageError>("--train ", list, ": all and none stand alone");
  return learning;
}

/// With the attention and the RoPE that came of the settings, and which of it nobody `asked` for.
RunRecord record_of(FinetuneSettings& s, const ModelFlags& asked, const LlamaConfig& config,
                    const AdapterInfo& info) {
  RunRecord record = record_of(finetune_settings(s), "finetune");
  nlohmann::json derived = nlohmann::json::object();
  record.settings.update({{"attention", training_attention(s.train, config)},
                          {"model_config", computed_with(config)},
                          {"model_fingerprint", info.base_fingerprint},
                          {"rope", name_of(config.rope.type)},
                          {"rope_factor", config.rope.factor}});
  if (s.train.attention.empty() && config.sliding_window > 0)
    derived["attention"] = record.settings["attention"];
  if (asked.rope.empty()) derived["rope"] = record.settings["rope"];
  if (!asked.rope_factor) derived["rope_factor"] = record.settings["rope_factor"];
  record.settings[record::kDerived] = derived;
  // as before there were others, so that a run of those days is resumed
  if (s.train.positions == "rows")
    for (const char* key : {"positions", "target_context"}) record.settings.erase(key);
  return record;
}

/// PoSE is a training under full attention: that is its usual one.
void choose_attention(FinetuneSettings& settings) {
  if (settings.train.positions == "pose") settings.train.usual_attention = "full";
}

void check_flags(FinetuneSettings settings) {
  check_settings(settings.train);
  check_pose(settings.train);
  check_bounds(lora_settings(settings));
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
  check_extension(given, settings.model, settings.train.trained_length());
  Llama model = load_model(settings.model, settings.train.trained_length());
  Tokenizer tokenizer = load_tokenizer(settings.model);
  check_vocabulary(tokenizer, model.config);
  const StepPlan plan = plan_step(model_like(model, {settings.lora, settings.learning}), settings.train);
  check_memory(plan, settings.train, There::weights);  // before the adapters take it
  return {given, std::move(model), std::move(tokenizer)};
}

}  // namespace

FinetuneSettings::FinetuneSettings() { train.usual_attention = "scca-fixed"; }

SettingTable lora_settings(FinetuneSettings& s) {
  const Bound probability{[](double x) { return x >= 0 && x < 1; }, "a probability in [0, 1)"};
  return in_section(
      section::kLora,
      {{.name = "lora_rank",
        .member = &s.lora.rank,
        .help = "Rank of the updates",
        .takes = whole_number(kMostRank),
        .bound = at_least(1)},
       {.name = "lora_alpha",
        .member = &s.lora.alpha,
        .help = "Updates are scaled by alpha / rank",
        .takes = real_number(),
        .bound = above_zero()},
       {.name = "lora_rs",
        .member = &s.lora.rank_stabilised,
        .help = "Scale by alpha / sqrt(rank) instead: rank-stabilised, for larger ranks"},
       {.name = "lora_targets",
        .member = &s.lora.targets,
        .help = "Layers with an update: some of " + short_list({layers().begin(), layers().end()}),
        .type = "LIST",
        .split = targets_of,
        .shown = short_list(s.lora.targets)},
       {.name = "lora_dropout",
        .member = &s.lora.dropout,
        .help = "Dropout of the updates' input",
        .takes = real_number(),
        .bound = probability},
       {.name = "train",
        .member = &s.learning,
        .help = "What of the base learns too: some of embed,norm,head, or all or none",
        .type = "LIST",
        .split = learning_of,
        .shown = joined(s.learning, ",")}});
}

SettingTable position_settings(FinetuneSettings& s) {
  return in_section(
      section::kAttention,
      {{.name = "positions",
        .member = &s.train.positions,
        .help = "Of a row's tokens: its own, or skipping a part of a longer text (PoSE), under "
                "full attention unless --attention says another",
        .takes = CLI::IsMember({"rows", "pose"})},
       {.name = "target_context",
        .member = &s.train.target_context,
        .help = "With --positions pose: tokens of the text that positions range over; 0 for none",
        .takes = token_count(),
        .bound = at_least(0)}});
}

SettingTable finetune_settings(FinetuneSettings& s) {
  return model_settings(s.model) + lora_settings(s) + position_settings(s) + train_settings(s.train) +
         recorded_keys();
}

void check_finetune(FinetuneSettings settings) {
  check_flags(settings);
  choose_attention(settings);
  settings.model = with_default_rope(std::move(settings.model));
  load_base(settings);
}

int finetune(FinetuneSettings settings) {
  check_flags(settings);
  choose_attention(settings);
  RunFolder::check(settings.train.out, settings.train.resume);
  const ModelFlags asked = settings.model;
  settings.model = with_default_rope(asked);
  Base base = load_base(settings);
  const LlamaConfig& given = base.given;
  Llama& model = base.model;
  set_random_state({settings.train.seed, 0});
  model.add_lora(settings.lora);
  model.set_trainable(settings.learning);
  AdapterInfo info{.lora = settings.lora,
                   .trained = settings.learning,
                   .base_model = settings.model.model,
                   .base_fingerprint = fingerprint_of(Weights(settings.model.model)).to_string(),
                   .base_dtype = settings.model.base_dtype};
  info.trained.erase("none");
  const auto describe = [&](const std::filesystem::path& folder, const RunNumbers& numbers) {
    write_file(folder / "README.md",
               model_card(folder.string(), info, given, model.config, settings.train, numbers));
  };
  const std::string both = concat("--model ", shell_word(settings.model.model), " --adapter ",
                                  shell_word(settings.train.out + "/adapter"));
  const std::string kept =
      settings.model.base_dtype == "same" ? "" : " --base-dtype " + settings.model.base_dtype;
  std::vector<std::string> next;
  if (settings.concluded)
    next = {
        concat("scca eval ", both, kept, " --data HELD_OUT_TEXT --context ", settings.train.trained_length()),
        concat("scca generate ", both, kept, " --prompt \"...\""),
        concat("scca merge ", both, " --out MERGED_MODEL   # a folder that needs no adapter"),
        concat("with PEFT: see ", shell_word(settings.train.out + "/adapter/README.md"))};
  return run_training(
      model, given, base.tokenizer, settings.train, record_of(settings, asked, model.config, info),
      {.name = "adapter",
       .write = [&](const std::filesystem::path& folder) { save_adapter(model, info, folder.string()); },
       .describe = describe,
       .judged = settings.concluded,
       .next = std::move(next)});
}

}  // namespace scca
