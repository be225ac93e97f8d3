// scca eval passkey: does the model find a key at any depth of any length?
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/cli/rope_flags.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/evaluation/passkey.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

const std::string kWhere = "before every prompt";

struct Flags {
  std::string bos = "auto";
  ModelFlags model;
  std::string attention = "full", png;
  PasskeyOptions options;
  bool json = false;
};

void print_readable(const std::vector<PasskeyCell>& cells, const PasskeyOptions& options) {
  std::cout << "keys found of " << options.trials << ", by tokens and by the key's depth\n";
  std::vector<std::vector<std::string>> table{{"tokens"}};
  for (const int64_t depth : options.depths) table[0].push_back(concat(depth, " %"));
  table[0].push_back("all");
  for (size_t first = 0; first < cells.size(); first += options.depths.size()) {
    std::vector<std::string>& row = table.emplace_back();
    row.push_back(std::to_string(cells[first].length));
    int64_t correct = 0, trials = 0;
    for (size_t i = first; i < first + options.depths.size(); ++i) {
      row.push_back(std::to_string(cells[i].correct));
      correct += cells[i].correct, trials += cells[i].trials;
    }
    row.push_back(fixed(100.0 * static_cast<double>(correct) / static_cast<double>(trials), 1) + " %");
  }
  std::cout << format_table(table);
}

int run(Flags flags) {
  PasskeyOptions& options = flags.options;
  options.attention = parse_attention_spec(flags.attention);
  options.validate();
  const int64_t longest = std::ranges::max(options.lengths);
  const Llama model = load_model(flags.model, longest);
  options.attention.check_layers(model.config.num_hidden_layers);
  const Tokenizer tokenizer = load_tokenizer(flags.model);
  options.bos = puts_bos(flags.bos, tokenizer);
  check_lengths(model.config, tokenizer, options);
  announce_rope(given_config(flags.model), model.config, longest);
  announce_bos(flags.bos, tokenizer, kWhere);
  std::optional<Progress> progress;
  const std::vector<PasskeyCell> cells =
      evaluate_passkey(model, tokenizer, options, [&](int64_t done, int64_t total) {
        if (!progress) progress.emplace("passkey", total);
        progress->update(done);
      });
  if (progress) progress->finish();
  if (flags.json) {
    print_json(passkey_json(cells, options));
  } else {
    print_readable(cells, options);
  }
  if (!flags.png.empty()) {
    write_heatmap(flags.png, passkey_heatmap(cells, "Passkey retrieval"));
    std::cerr << "picture: " << flags.png << "\n";
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  PasskeyOptions& options = flags->options;
  add_model_flags(app, flags->model);
  app.add_option("--attention", flags->attention, "Attention pattern: a spec, see scca patterns")
      ->type_name("SPEC")
      ->capture_default_str();
  begin_section(app, section::kEvaluation);
  app.add_option("--lengths", options.lengths, "Tokens of prompt and answer, with commas: 512,1k,2k")
      ->transform(token_count())
      ->delimiter(',')
      ->required();
  app.add_option("--depths", options.depths, "Percent of the filler before the key, with commas")
      ->transform(whole_number())
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--trials", options.trials, "Keys asked for at each length and depth")
      ->transform(whole_number())
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the keys")->transform(seed_number())->capture_default_str();
  add_bos_flag(app, flags->bos, kWhere);
  begin_section(app, section::kOutput);
  app.add_option("--png", flags->png, "Also draw the share of keys found into this file")->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "eval passkey", "Finding a key in filler, by length and depth", set_up,
    "scca eval passkey --model LLAMA_FOLDER --adapter runs/mine/adapter --lengths 2k,4k,8k --png "
    "passkey.png");

}  // namespace
}  // namespace scca
