// scca merge: an adapter into its base, or a base alone, as a Hugging Face folder that other programs read.
#include <filesystem>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "core/file.h"
#include "models/files/model_folder.h"
#include "models/tokenizer/gguf_tokenizer.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/cli/rope_flags.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

struct Flags {
  ModelFlags model;
  std::string out, dtype;
};

int run(const Flags& flags) {
  fs::path out = fs::path(flags.out).lexically_normal();
  if (!out.has_filename()) out = out.parent_path();  // a trailing slash
  if (fs::exists(out)) fail<UsageError>("--out ", flags.out, ": is already there; choose a new folder");
  Llama model = load_model(flags.model);  // in f32: the sum is rounded once
  model.merge_lora();
  if (out.has_parent_path()) fs::create_directories(out.parent_path());
  FolderWriter folder(out);
  model.save(folder.path().string(), flags.dtype.empty() ? stored_float_of_torch(model.config.torch_dtype)
                                                         : stored_float(flags.dtype));
  if (is_gguf(flags.model.model))
    write_tokenizer_files(GgufFile(flags.model.model), folder.path());
  else
    copy_companions(flags.model.model, folder.path());
  folder.commit();
  announce_rope(given_config(flags.model), model.config, 0);
  std::cerr << (flags.model.adapter.empty() ? "converted (no adapter): " : "merged: ") << out.string() << "\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_exact_model_flags(app, flags->model);
  begin_section(app, section::kOutput);
  app.add_option("--dtype", flags->dtype,
                 "What the merged weights are written as (default: as the base's are)")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  app.add_option("--out", flags->out, "The new folder")->type_name("FOLDER")->required();
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "merge", "Write a base, or a base with its adapter added in, as a Hugging Face folder", set_up,
    "scca merge --model LLAMA_FOLDER --adapter runs/mine/adapter --dtype bf16 --out merged");

}  // namespace
}  // namespace scca
