// scca pretrain: a model from nothing, all weights trained, to a Hugging Face folder in RUN/model.
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "core/device.h"
#include "core/file.h"
#include "core/random.h"
#include "models/config.h"
#include "models/llama.h"
#include "models/tokenizer/gguf_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/cli/settings_file.h"
#include "train/cli/threads_flag.h"
#include "train/run/memory.h"
#include "train/run/training_run.h"

namespace scca {
namespace {

struct PretrainFlags {
  TrainSettings train;
  ModelFlags model;  // dtype and device
  std::string config, tokenizer, save_dtype = "bf16";
};

SettingTable pretrain_settings(PretrainFlags& flags) {
  const SettingTable own{{.name = "config",
                          .member = &flags.config,
                          .section = section::kModel,
                          .help = "The model's shape: the config.json of a LLaMA, Mistral, Qwen2 or Qwen3",
                          .type = "FILE",
                          .required = true,
                          .may_differ = true,
                          .flag_name = "--model-config"},
                         {.name = "tokenizer",
                          .member = &flags.tokenizer,
                          .section = section::kModel,
                          .help = "A SentencePiece tokenizer.model, a tokenizer.json, or a .gguf file",
                          .type = "FILE",
                          .required = true,
                          .may_differ = true},
                         {.name = "save_dtype",
                          .member = &flags.save_dtype,
                          .section = section::kOutput,
                          .help = "What RUN/model is written in",
                          .takes = CLI::IsMember({"bf16", "f32"})}};
  return own + device_settings(flags.model) + train_settings(flags.train) + recorded_keys();
}

/// A model's config.json says one setting: the shape. --config took nothing else once.
nlohmann::json load_settings(const std::string& file) {
  const nlohmann::json shape{{"config", file}};
  if (std::filesystem::is_directory(file)) return shape;
  nlohmann::json json = SettingsFile::load(file);
  return json.contains("hidden_size") || json.contains("model_type") ? shape : json;
}

/// A tokenizer.json is read with what stands beside it, a tokenizer.model alone; of a GGUF file these are
/// made.
void copy_tokenizer(const std::filesystem::path& file, const std::filesystem::path& folder) {
  if (is_gguf(file)) return write_tokenizer_files(GgufFile(file), folder);
  const bool json = file.extension() == ".json";
  write_file(folder / (json ? "tokenizer.json" : "tokenizer.model"), read_text_file(file));
  if (!json) return;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"})
    if (const auto beside = file.parent_path() / name; std::filesystem::exists(beside))
      write_file(folder / name, read_text_file(beside));
}

int pretrain(PretrainFlags& flags) {
  check_settings(flags.train);
  const Device device = device_of(flags.model);
  RunFolder::check(flags.train.out, flags.train.resume);
  const LlamaConfig config = read_config(flags.config);
  SCCA_CHECK(!std::filesystem::is_directory(flags.tokenizer), Setting("tokenizer"), " ", flags.tokenizer,
             ": is a folder; expected the file tokenizer.model or tokenizer.json in it");
  const Tokenizer tokenizer(flags.tokenizer);
  check_vocabulary(tokenizer, config);
  const StepPlan plan =
      plan_step(model_of(config, dtype_of(flags.model), device, {.base = {"all"}}), flags.train);
  check_memory(plan, flags.train, There::nothing);  // before the weights take it
  Llama model = Llama::initialised(config, flags.train.seed);
  model.dtype = dtype_of(flags.model);
  model.to(device);
  model.set_trainable({"all"});
  set_random_state({flags.train.seed, 0});
  const StoredFloat& saved = stored_float(flags.save_dtype);
  const std::string made = shell_word(flags.train.out + "/model");
  const auto write = [&](const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    model.save(folder.string(), saved);
    copy_tokenizer(flags.tokenizer, folder);
  };
  RunRecord record = record_of(pretrain_settings(flags), "pretrain");
  record.settings["attention"] = training_attention(flags.train, config);
  if (flags.train.attention.empty() && config.sliding_window > 0)
    record.settings[record::kDerived] = {{"attention", record.settings["attention"]}};
  record.settings["model_config"] = computed_with(config);
  return run_training(model, config, tokenizer, flags.train, std::move(record),
                      {.name = "model",
                       .write = write,
                       .next = {concat("scca generate --model ", made, " --prompt \"...\""),
                                concat("scca eval --model ", made, " --data HELD_OUT_TEXT --context ",
                                       flags.train.context)}});
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<PretrainFlags>();
  flags->train.schedule = "cosine";
  flags->train.lr = 1e-3;
  flags->train.warmup = 100;
  auto file = std::make_shared<SettingsFile>(app, "pretrain");
  CLI::Option* config = app.get_option("--config");
  config->description(config->get_description() + "; a model's config.json here is --model-config");
  add_flags(app, pretrain_settings(*flags));
  add_threads_flag(app);
  return [flags, file] {
    file->read(pretrain_settings(*flags), load_settings);
    return pretrain(*flags);
  };
}

const RegisterCommand line(
    "pretrain", "Train a model from nothing, all weights", set_up,
    "scca pretrain --model-config config.json --tokenizer tokenizer.model --data BOOKS_FOLDER --context 512 "
    "--steps 10000 --out runs/base\n"
    "scca pretrain --config runs/base/config.json --out runs/again --seed 1");

}  // namespace
}  // namespace scca
