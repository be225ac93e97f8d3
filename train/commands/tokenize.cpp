// scca tokenize: text to ids and back.
#include <filesystem>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "models/files/model_folder.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"

namespace scca {
namespace {

struct Flags {
  ModelFlags model;
  std::string text, file, ids;
  std::string bos = "off";  // the ids of the text itself, unless it is asked for
  bool keep_line_ends = false, json = false;
};

/// A file may be given too, unless it is one of weights.
Tokenizer given_tokenizer(const ModelFlags& flags) {
  const bool file = std::filesystem::is_regular_file(flags.model) && !is_weights_file(flags.model);
  return file ? Tokenizer(flags.model) : load_tokenizer(flags);
}

int decode(const Tokenizer& tokenizer, const Flags& flags) {
  const std::vector<int32_t> ids =
      flags.ids.empty() ? std::vector<int32_t>() : parse_ids(flags.ids, "--decode");
  check_ids(ids, tokenizer.vocab_size(), "--decode");
  const std::string text = tokenizer.decode(ids);
  if (flags.json) {
    print_json({{"text", text}});
  } else {
    std::cout << text << "\n";
  }
  return 0;
}

int encode(const Tokenizer& tokenizer, const Flags& flags, const std::string& text) {
  const std::vector<int32_t> ids = tokenizer.encode(text, puts_bos(flags.bos, tokenizer));
  if (flags.json) {
    print_json({{"ids", ids}});
    return 0;
  }
  for (size_t i = 0; i < ids.size(); ++i) std::cout << (i ? "," : "") << ids[i];
  std::cout << "\n";
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  begin_section(app, section::kModel);
  app.add_option("--model", flags->model.model,
                 "Folder with a tokenizer.model or tokenizer.json, one of these files, or a .gguf file")
      ->type_name("PATH")
      ->required();
  begin_section(app, section::kData);
  CLI::Option_group* input = app.add_option_group("Input", "exactly one of these");
  input->add_option("--text", flags->text, "Text to encode; or give --file or --decode");
  input->add_option("--file", flags->file, "File with the text to encode")->type_name("FILE");
  CLI::Option* ids =
      input->add_option("--decode", flags->ids, "Ids to decode, with commas: 1,2,3")->type_name("IDS");
  input->require_option(1);
  add_bos_flag(app, flags->bos, "before the text");
  add_line_ends_flag(app, flags->keep_line_ends);
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags, ids] {
    const Tokenizer tokenizer = given_tokenizer(flags->model);
    if (ids->count()) return decode(tokenizer, *flags);
    return encode(tokenizer, *flags, read_prompt(flags->file, flags->text, flags->keep_line_ends));
  };
}

const RegisterCommand line("tokenize", "Text to token ids, or back", set_up,
                           "scca tokenize --model LLAMA_FOLDER --text 'It was'");

}  // namespace
}  // namespace scca
