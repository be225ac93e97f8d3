// scca finetune: a pretrained model to a longer context. Leaves an adapter in RUN/adapter.
#include "train/run/finetune.h"

#include <memory>

#include "train/cli/command.h"

namespace scca {
namespace {

Action set_up(CLI::App& app) {
  auto settings = std::make_shared<FinetuneSettings>();
  add_model_flags(app, settings->model, /*with_adapter=*/false);
  add_lora_flags(app, *settings);
  add_train_flags(app, settings->train);
  return [settings] { return finetune(*settings); };
}

const RegisterCommand line(
    "finetune", "Extend a model's context: LoRA, RoPE scaling, sparse attention", set_up,
    "scca finetune --model LLAMA_FOLDER --data BOOKS_FOLDER --out runs/mine --context 8k "
    "--attention 'scca-fixed(chunk=2k)'");

}  // namespace
}  // namespace scca
