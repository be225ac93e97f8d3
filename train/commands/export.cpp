// scca export: a model with its adapter, or the adapter alone, as the GGUF file that llama.cpp runs.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "core/check.h"
#include "models/files/model_folder.h"
#include "models/gguf_export.h"
#include "models/tokenizer/gguf_tokenizer.h"
#include "models/weights.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/cli/rope_flags.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

struct Flags {
  ModelFlags model;
  std::string out, type = "f16";
  bool adapter_alone = false;
};

/// What an adapter holds beside the updates of the blocks' layers: whole weights, and updates of embedding
/// and head, which loading adds into the weights.
std::vector<std::string> beside_the_blocks(const fs::path& adapter) {
  std::vector<std::string> names = Weights(adapter_folder(adapter) / "adapter_model.safetensors").names();
  std::erase_if(names, [](const std::string& name) {
    return name.find(".layers.") != std::string::npos && name.find(".lora_") != std::string::npos;
  });
  return names;
}

/// What llama.cpp must be told to turn positions as the adapter was trained with: its file cannot say it.
std::string rope_for_llama_cpp(const RopeScaling& rope) {
  switch (rope.type) {
    case RopeType::none:
      return "";
    case RopeType::linear:
    case RopeType::yarn:
      return concat(" --rope-scaling ", name_of(rope.type), " --rope-scale ", rope.factor,
                    rope.type == RopeType::yarn ? concat(" --yarn-orig-ctx ", rope.original_length) : "");
    default:
      return concat(" (its RoPE, ", name_of(rope.type),
                    ", cannot be given beside a LoRA file; export the merged model)");
  }
}

GgufContent adapter_content(const Flags& flags, const Llama& model) {
  if (flags.model.adapter.empty()) fail<UsageError>("--adapter-alone: no --adapter to export");
  const std::vector<std::string> beside = beside_the_blocks(flags.model.adapter);
  SCCA_CHECK(
      beside.empty(), flags.model.adapter, ": has more than updates of the blocks' layers (",
      beside.empty() ? "" : beside[0], beside.size() > 1 ? concat(" and ", beside.size() - 1, " more") : "",
      "), which is not written to LoRA files; export without --adapter-alone, or train with --train none");
  GgufContent content;
  add_gguf_adapter(content, model);
  return content;
}

/// A GGUF file names few tokens that end a text, and the tokenizer's EOS is always one.
void announce_ends(const LlamaConfig& model, const LlamaConfig& written) {
  const std::set<int64_t> meant(model.end_ids().begin(), model.end_ids().end()),
      are(written.end_ids().begin(), written.end_ids().end());
  if (meant == are) return;
  const auto named = [](const std::set<int64_t>& ids) {
    std::string text;
    for (const int64_t id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
    return text.empty() ? "none" : text;
  };
  std::cerr << "note: the model's texts end at ids " << named(meant) << ", those of the file at "
            << named(are) << ": GGUF names the tokenizer's EOS and at most two more\n";
}

int run(const Flags& flags) {
  const fs::path out = flags.out;
  if (out.extension() != ".gguf")
    fail<UsageError>("--out ", flags.out, ": expected a file name that ends in .gguf");
  if (fs::exists(out)) fail<UsageError>("--out ", flags.out, ": is already there; choose a new file");
  Llama model = load_model(flags.model);
  if (out.has_parent_path()) fs::create_directories(out.parent_path());
  if (flags.adapter_alone) {
    adapter_content(flags, model).write(out);
    std::cerr << "exported: " << out.string() << "; run it as: llama-cli -m BASE.gguf --lora " << out.string()
              << rope_for_llama_cpp(model.config.rope) << "\n";
    return 0;
  }
  model.merge_lora();
  std::string dtype = flags.type;
  std::ranges::transform(dtype, dtype.begin(), [](unsigned char c) { return std::toupper(c); });
  GgufContent content = gguf_tokenizer(flags.model.model, model.config.vocab_size, model.config.end_ids());
  add_gguf_model(content, model, dtype);
  content.write(out);
  announce_rope(given_config(flags.model), model.config, 0);
  announce_ends(model.config, read_config(out));
  std::cerr << "exported: " << out.string() << " (" << fs::file_size(out) / 1000000 << " MB)\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_exact_model_flags(app, flags->model);
  begin_section(app, section::kOutput);
  app.add_option("--out", flags->out, "The new file, NAME.gguf")->type_name("FILE")->required();
  app.add_option("--type", flags->type, "What the matrices are written as")
      ->check(CLI::IsMember({"f32", "f16", "q8_0", "q4_0"}))
      ->capture_default_str();
  app.add_flag("--adapter-alone", flags->adapter_alone,
               "The adapter without its base, for llama.cpp's --lora");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("export", "Write a model or an adapter as a GGUF file for llama.cpp", set_up,
                           "scca export --model LLAMA_FOLDER --adapter runs/mine/adapter --type q8_0 --out "
                           "mine.gguf");

}  // namespace
}  // namespace scca
