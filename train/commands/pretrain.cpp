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
#include "models/tokenizer.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/run/memory.h"
#include "train/run/training_run.h"

namespace scca {
namespace {

struct PretrainFlags {
  TrainSettings train;
  ModelFlags model;  // dtype and device
  std::string config, tokenizer, save_dtype = "bf16";
};

nlohmann::json settings_of(const PretrainFlags& flags, const LlamaConfig& config) {
  nlohmann::json settings = to_json(flags.train);
  settings.update({{"command", "pretrain"},
                   {"config", flags.config},
                   {"model_config", computed_with(config)},
                   {"tokenizer", flags.tokenizer},
                   {"save_dtype", flags.save_dtype},
                   {"dtype", flags.model.dtype},
                   {"device", flags.model.device}});
  return settings;
}

int pretrain(const PretrainFlags& flags) {
  check_settings(flags.train);
  const Device device = device_of(flags.model);
  RunFolder::check(flags.train.out, flags.train.resume);
  const LlamaConfig config = read_config(flags.config);
  const Tokenizer tokenizer(flags.tokenizer);
  check_vocabulary(tokenizer, config);
  const StepPlan plan =
      plan_step(model_of(config, dtype_of(flags.model), device, std::nullopt, {"all"}), flags.train);
  check_memory(plan, available_memory(device), There::nothing);  // before the weights take it
  Llama model = Llama::initialised(config, flags.train.seed);
  model.dtype = dtype_of(flags.model);
  model.to(device);
  model.set_trainable({"all"});
  set_random_state({flags.train.seed, 0});
  const DType saved = flags.save_dtype == "bf16" ? DType::bf16 : DType::f32;
  const std::string made = shell_word(flags.train.out + "/model");
  const auto write = [&](const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    model.save(folder.string(), saved);
    write_file(folder / "tokenizer.model", read_text_file(flags.tokenizer));
  };
  return run_training(model, config, tokenizer, flags.train, settings_of(flags, config),
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
  begin_section(app, section::kModel);
  app.add_option("--config", flags->config, "The model's shape: a LLaMA config.json")
      ->type_name("FILE")
      ->required();
  app.add_option("--tokenizer", flags->tokenizer, "A SentencePiece tokenizer.model")
      ->type_name("FILE")
      ->required();
  begin_section(app, section::kOutput);
  app.add_option("--save-dtype", flags->save_dtype, "What RUN/model is written in")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  add_device_flags(app, flags->model);
  add_train_flags(app, flags->train);
  return [flags] { return pretrain(*flags); };
}

const RegisterCommand line(
    "pretrain", "Train a model from nothing, all weights", set_up,
    "scca pretrain --config config.json --tokenizer tokenizer.model --data BOOKS_FOLDER --context 512 "
    "--steps 10000 --out runs/base");

}  // namespace
}  // namespace scca
