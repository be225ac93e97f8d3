// scca eval passkey: does the model find a key at any depth of any length? scca eval ruler: RULER's tasks
// that need no download, by length. Both ask retrieval tasks; they differ in which, in their table and in
// words.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "core/file.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/data/bos.h"
#include "train/evaluation/retrieval.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

const std::string kWhere = "before every prompt";

struct Flags {
  ModelFlags model;
  std::string bos = "auto", png;
  std::optional<std::string> attention;
  RetrievalOptions options;
  bool json = false;
};

/// What one of the two commands does in its own way.
struct Kind {
  std::string name, title;  // of the progress, of the picture
  void (*check)(const RetrievalOptions& options);
  void (*print)(const Retrieval& retrieval, const RetrievalOptions& options);
  std::string lengths, trials, seed, png;  // the help of these flags
};

void print_keys(const Retrieval& retrieval, const RetrievalOptions& options) {
  std::cout << "keys found of " << options.trials << ", by tokens and by the key's depth\n";
  std::vector<std::vector<std::string>> table{{"tokens"}};
  for (const int64_t depth : options.depths) table[0].push_back(concat(depth, " %"));
  table[0].push_back("all");
  size_t next = 0;
  for (const RetrievalCell& all : retrieval.by_length()) {
    std::vector<std::string>& row = table.emplace_back(1, std::to_string(all.length));
    for (; next < retrieval.cells.size() && retrieval.cells[next].length == all.length; ++next)
      row.push_back(std::to_string(retrieval.cells[next].perfect));
    row.push_back(fixed(100.0 * static_cast<double>(all.perfect) / static_cast<double>(all.trials), 1) +
                  " %");
  }
  std::cout << format_table(table);
}

void print_scores(const Retrieval& retrieval, const RetrievalOptions& options) {
  std::cout << "RULER's score, 0 to 100, by tokens; " << options.trials << " prompts each\n";
  std::vector<std::vector<std::string>> table{{"task"}};
  for (const int64_t length : options.lengths) table[0].push_back(std::to_string(length));
  const auto add_row = [&](const std::string& name, auto cell, auto end) {
    std::vector<std::string>& row = table.emplace_back(1, name);
    for (; cell != end; ++cell) row.push_back(fixed(100 * cell->score, 1));
  };
  auto cell = retrieval.cells.begin();
  for (const std::string& task : options.tasks) {
    add_row(task, cell, cell + std::ssize(options.lengths));
    cell += std::ssize(options.lengths);
  }
  const std::vector<RetrievalCell> mean = retrieval.by_length();
  add_row("mean", mean.begin(), mean.end());
  std::cout << format_table(table);
}

void check_ruler(const RetrievalOptions& options) {
  for (const std::string& name : options.tasks) {
    RetrievalOptions one = options;
    one.tasks = {name};
    one.validate();
    if (find_task(name, "--tasks").suite != "ruler")
      fail<UsageError>("--tasks: ", name, " is not one of RULER's; see scca eval ", name, " --help");
    if (std::ranges::count(options.tasks, name) > 1) fail<UsageError>("--tasks: ", name, " is given twice");
  }
}

std::vector<std::string> ruler_tasks() {
  std::vector<std::string> names;
  for (const Task& task : registered_tasks())
    if (task.suite == "ruler") names.push_back(task.name);
  return names;
}

int run(Flags flags, const Kind& kind) {
  RetrievalOptions& options = flags.options;
  options.attention = attention_given(flags.attention);
  kind.check(options);
  if (!flags.png.empty()) FileWriter(flags.png);  // one that cannot be written fails now
  const int64_t longest = std::ranges::max(options.lengths);
  const ReadyModel ready(flags.model, options.attention, longest);
  options.bos = puts_bos(flags.bos, ready.tokenizer());
  options.attention = ready.attention();
  check_lengths(ready.config(), ready.tokenizer(), options);
  ready.announce(longest, flags.bos, kWhere);
  Progress progress(kind.name);
  const auto show = [&](int64_t done, int64_t total, const std::string& task) {
    progress.update(done, total, options.tasks.size() > 1 ? task : "");
  };
  const Retrieval retrieval = evaluate_retrieval(ready.model(), ready.tokenizer(), options, show);
  progress.finish();
  if (flags.json) {
    print_json(to_json(retrieval, options));
  } else {
    kind.print(retrieval, options);
  }
  if (!flags.png.empty()) {
    write_heatmap(flags.png, retrieval_heatmap(retrieval, kind.title));
    std::cerr << "picture: " << flags.png << "\n";
  }
  return 0;
}

/// The flags of both, around those that `add_own` adds.
Action set_up(CLI::App& app, const std::shared_ptr<Flags>& flags, const Kind& kind,
              const std::function<void(RetrievalOptions& options)>& add_own) {
  RetrievalOptions& options = flags->options;
  add_model_flags(app, flags->model);
  add_attention_flag(app, flags->attention);
  begin_section(app, section::kEvaluation);
  add_list(app, "--lengths", options.lengths, token_count(),
           "Tokens of prompt and answer, with commas: " + kind.lengths)
      ->required();
  add_own(options);
  app.add_option("--trials", options.trials, kind.trials)->transform(whole_number())->capture_default_str();
  app.add_option("--seed", options.seed, kind.seed)->transform(seed_number())->capture_default_str();
  add_bos_flag(app, flags->bos, kWhere);
  begin_section(app, section::kOutput);
  app.add_option("--png", flags->png, "Also draw the " + kind.png + " into this file")->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags, kind] { return run(*flags, kind); };
}

Action set_up_passkey(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->options = passkey_options();
  const Kind kind{.name = "passkey",
                  .title = "Passkey retrieval",
                  .check = [](const RetrievalOptions& options) { options.validate(); },
                  .print = print_keys,
                  .lengths = "512,1k,2k",
                  .trials = "Keys asked for at each length and depth",
                  .seed = "Of the keys",
                  .png = "share of keys found"};
  return set_up(app, flags, kind, [&](RetrievalOptions& options) {
    add_list(app, "--depths", options.depths, whole_number(),
             "Percent of the filler before the key, with commas");
  });
}

Action set_up_ruler(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->options.tasks = ruler_tasks();
  const Kind kind{.name = "ruler",
                  .title = "RULER",
                  .check = check_ruler,
                  .print = print_scores,
                  .lengths = "2k,4k",
                  .trials = "Prompts of each task and length",
                  .seed = "Of the prompts",
                  .png = "scores"};
  return set_up(app, flags, kind, [&](RetrievalOptions& options) {
    add_list(app, "--tasks", options.tasks, "TASK", "Which, with commas");
  });
}

const RegisterCommand passkey(
    "eval passkey", "Finding a key in filler, by length and depth", set_up_passkey,
    "scca eval passkey --model LLAMA_FOLDER --adapter runs/mine/adapter --lengths 2k,4k,8k --png "
    "passkey.png");
const RegisterCommand ruler(
    "eval ruler", "RULER's retrieval, tracing and counting tasks, by length", set_up_ruler,
    "scca eval ruler --model LLAMA_FOLDER --adapter runs/mine/adapter --lengths 4k,8k");

}  // namespace
}  // namespace scca
