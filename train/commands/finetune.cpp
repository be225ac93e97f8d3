// scca finetune: a pretrained model to a longer context. Leaves an adapter in RUN/adapter.
#include "train/run/finetune.h"

#include <memory>

#include "train/cli/command.h"
#include "train/cli/settings_file.h"
#include "train/cli/threads_flag.h"

namespace scca {
namespace {

Action set_up(CLI::App& app) {
  auto settings = std::make_shared<FinetuneSettings>();
  auto file = std::make_shared<SettingsFile>(app, "finetune");
  add_flags(app, finetune_settings(*settings));
  add_threads_flag(app);
  return [settings, file] {
    file->read(finetune_settings(*settings));
    return finetune(*settings);
  };
}

const RegisterCommand line(
    "finetune", "Extend a model's context: LoRA, RoPE scaling, sparse attention", set_up,
    "scca finetune --model LLAMA_FOLDER --data BOOKS_FOLDER --out runs/mine --context 8k "
    "--attention 'scca-fixed(chunk=2k)'\n"
    "scca finetune --config runs/mine/config.json --out runs/again --seed 1");

}  // namespace
}  // namespace scca
