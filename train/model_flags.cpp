#include "train/model_flags.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>

#include "core/check.h"
#include "core/device.h"
#include "models/adapter.h"
#include "models/adapter_base.h"
#include "models/config.h"
#include "models/model_folder.h"
#include "train/flag_values.h"
#include "train/help.h"

namespace scca {
namespace {

/// What the flags make of a RoPE that is `now`.
RopeScaling scaling_of(const ModelFlags& flags, const RopeScaling& now, int64_t context) {
  RopeScaling scaling = now;
  if (!flags.rope.empty()) {
    const std::optional<RopeType> type = rope_type_of(flags.rope);
    if (!type) fail<UsageError>("--rope ", flags.rope, ": expected one of ", rope_type_names());
    scaling.type = *type;
    if (*type == RopeType::longrope && now.long_factor.empty())
      fail<UsageError>(
          "--rope longrope: it divides by the lists short_factor and long_factor of config.json, and this "
          "model's has none; choose another type, or add them there");
  } else if (now.type == RopeType::none) {
    scaling.type = RopeType::linear;  // --rope-factor alone
  }
  if (flags.rope_factor > 0) {
    scaling.factor = flags.rope_factor;
  } else if (scaling.type == RopeType::none) {
    scaling.factor = 1;
  } else if (context > 0) {
    scaling.factor = std::max<double>(
        1, std::ceil(static_cast<double>(context) / static_cast<double>(now.original_length)));
  } else if (scaling.type != now.type) {
    fail<UsageError>("--rope ", flags.rope, " needs --rope-factor");
  }
  return scaling;
}

void apply_rope(Llama& model, const ModelFlags& flags, int64_t context) {
  if (flags.rope.empty() && flags.rope_factor == 0) return;
  if (flags.rope == "none" && flags.rope_factor > 1)
    fail<UsageError>("--rope-factor ", flags.rope_factor, ": --rope none has no factor");
  const RopeScaling before = model.config.rope;
  const RopeScaling wanted = scaling_of(flags, before, context);
  const int64_t length =
      context > 0
          ? context
          : static_cast<int64_t>(std::ceil(static_cast<double>(before.original_length) * wanted.factor));
  const LlamaConfig config = with_rope(model.config, wanted, length);
  model.set_rope(config.rope, config.max_position_embeddings);
  if (!flags.adapter.empty() && !(config.rope == before))
    std::cerr << "note: --rope " << name_of(wanted.type) << ", factor " << wanted.factor
              << ", replaces the adapter's " << name_of(before.type) << ", factor " << before.factor << "\n";
}

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

}  // namespace

void add_device_flags(CLI::App& app, ModelFlags& flags) {
  begin_section(app, section::kMachine);
  app.add_option("--dtype", flags.dtype, "What frozen weights and activations are kept in")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--device", flags.device, "Where to run; auto: cuda where there is a device")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
}

void add_model_flags(CLI::App& app, ModelFlags& flags, bool with_adapter) {
  begin_section(app, section::kModel);
  app.add_option("--model", flags.model,
                 "The base: a folder with config.json, model.safetensors and tokenizer.model")
      ->type_name("FOLDER")
      ->required();
  if (with_adapter)
    app.add_option("--adapter", flags.adapter, "A fine-tuned adapter's folder; brings its RoPE along")
        ->type_name("FOLDER");
  begin_section(app, section::kAttention);
  app.add_option("--rope", flags.rope, "RoPE scaling in place of the config's: " + rope_type_names())
      ->type_name("TYPE");
  app.add_option("--rope-factor", flags.rope_factor,
                 "How much longer than pretrained the context is (default: the context / the pretrained "
                 "length, rounded "
                 "up)")
      ->check(CLI::Range(1.0, 1e6))
      ->transform(real_number());
  add_device_flags(app, flags);
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
  Llama model = Llama::load(flags.model, dtype_of(flags));
  if (!flags.adapter.empty()) put_on_adapter(model, flags);
  apply_rope(model, flags, context);
  model.to(device);
  return model;
}

Tokenizer load_tokenizer(const ModelFlags& flags) {
  if (!std::filesystem::is_directory(flags.model)) fail(why_no_model(flags.model, "tokenizer.model"));
  return Tokenizer(flags.model);
}

}  // namespace scca
