#include "train/cli/model_flags.h"

#include <iostream>
#include <set>

#include "core/check.h"
#include "core/device.h"
#include "models/adapter.h"
#include "models/adapter_base.h"
#include "models/files/gguf.h"
#include "models/files/model_folder.h"
#include "train/cli/help.h"
#include "train/cli/rope_flags.h"
#include "train/cli/setting_table.h"
#include "train/cli/threads_flag.h"

namespace scca {
namespace {

void put_on_adapter(Llama& model, const ModelFlags& flags) {
  const bool tied = model.config.tie_word_embeddings;
  const std::filesystem::path folder = adapter_folder(flags.adapter);
  if (folder != flags.adapter)
    std::cerr << "note: --adapter " << flags.adapter << " is a run's folder; its adapter is "
              << folder.string() << "\n";
  const AdapterInfo info = load_adapter(model, folder);
  if (const std::string other = other_base(info, flags.model); !other.empty())
    std::cerr << "warning: " << other << "\n";
  if (tied && !model.config.tie_word_embeddings)
    std::cerr << "note: the base ties its head to its embedding, and this adapter changes one without the "
                 "other, as PEFT "
                 "does; from here on they are two\n";
}

/// That a base in few bits is one, and which layers are not.
void check_base(Llama& model, const ModelFlags& flags) {
  if (flags.base_dtype == "same") return;
  int64_t all = 0, kept = 0;
  model.for_each_linear([&](const std::string&, const Linear& linear) {
    ++all;
    kept += is_blocks(linear.weight_OI.dtype());
  });
  if (kept == 0)
    fail<UsageError>("--base-dtype ", flags.base_dtype, ": ", flags.model, " has ",
                     flags.base_dtype == "stored" ? "no matrix in blocks; choose nf4 or q8_0"
                                                  : "no matrix whose rows are whole blocks; leave it out");
  if (kept < all)
    std::cerr << "note: " << all - kept << " of " << all << " matrices of " << flags.model << " stay in "
              << flags.dtype << ": they are not in blocks, or their rows are not whole ones\n";
}

}  // namespace

SettingTable device_settings(ModelFlags& flags) {
  return {{.name = "dtype",
           .member = &flags.dtype,
           .section = section::kMachine,
           .help = "What frozen weights and activations are kept in",
           .takes = CLI::IsMember({"f32", "bf16"})},
          {.name = "device",
           .member = &flags.device,
           .section = section::kMachine,
           .help = "Where to run; auto: cuda where there is a device",
           .takes = CLI::IsMember({"auto", "cpu", "cuda"}),
           .may_differ = true}};
}

SettingRow base_dtype_setting(ModelFlags& flags) {
  std::set<std::string> names;
  for (const BaseDTypeName& known : base_dtypes()) names.emplace(known.name);
  return {.name = "base_dtype",
          .member = &flags.base_dtype,
          .section = section::kMachine,
          .help =
              "Frozen matrices in few bits. same: none; stored: as a .gguf file has them; nf4, q8_0: the "
              "blocks' linear layers (QLoRA)",
          .takes = CLI::IsMember(names)};
}

SettingTable model_settings(ModelFlags& flags) {
  const SettingRow model{.name = "model",
                         .member = &flags.model,
                         .section = section::kModel,
                         .help = "The base: a Hugging Face folder, or a .gguf file",
                         .type = "MODEL",
                         .required = true,
                         .may_differ = true};
  return SettingTable{model} + rope_settings(flags) + SettingTable{base_dtype_setting(flags)} +
         device_settings(flags);
}

void add_device_flags(CLI::App& app, ModelFlags& flags) {
  add_flags(app, device_settings(flags));
  add_threads_flag(app);
  begin_section(app, section::kMachine);
}

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  add_flags(app, model_settings(flags));
  add_threads_flag(app);
  begin_section(app, section::kModel);
  app.add_option("--adapter", flags.adapter, "A fine-tuned adapter's folder; brings its RoPE along")
      ->type_name("FOLDER");
  begin_section(app, section::kMachine);
}

void add_exact_model_flags(CLI::App& app, ModelFlags& flags) {
  add_model_flags(app, flags);
  for (const char* flag : {"--dtype", "--base-dtype"}) app.remove_option(app.get_option(flag));
}

DType dtype_of(const ModelFlags& flags) { return flags.dtype == "bf16" ? DType::bf16 : DType::f32; }

Device device_of(const ModelFlags& flags) {
  if (flags.device == "auto") return why_unusable(Device::cuda).empty() ? Device::cuda : Device::cpu;
  const Device device = flags.device == "cuda" ? Device::cuda : Device::cpu;
  need_device(device, "--device " + flags.device);
  return device;
}

Llama load_model(const ModelFlags& flags, int64_t context) {
  const Device device = device_of(flags);  // refused before anything is read
  Llama model = Llama::load(flags.model, dtype_of(flags), base_dtype(flags.base_dtype));
  check_base(model, flags);
  if (!flags.adapter.empty()) put_on_adapter(model, flags);
  const LlamaConfig config = with_rope_flags(model.config, flags, context);
  model.set_rope(config.rope, config.max_position_embeddings);
  model.to(device);
  return model;
}

Tokenizer load_tokenizer(const ModelFlags& flags) {
  if (!std::filesystem::is_directory(flags.model) && !is_gguf(flags.model))
    fail(why_no_model(flags.model, "tokenizer.model or tokenizer.json"));
  return Tokenizer(flags.model);
}

}  // namespace scca
