// scca eval ruler: RULER's tasks that need no download, by length.
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
#include "train/evaluation/retrieval.h"
#include "train/report/heatmap.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

const std::string kWhere = "before every prompt";

struct Flags {
  std::string bos = "auto";
  ModelFlags model;
  std::vector<std::string> tasks;
  std::string attention = "full", png;
  RetrievalOptions options;
  bool json = false;
};

/// [tasks][lengths]
using Grid = std::vector<std::vector<RetrievalCell>>;

std::vector<std::string> ruler_tasks() {
  std::vector<std::string> names;
  for (const Task& task : registered_tasks())
    if (task.suite == "ruler") names.push_back(task.name);
  return names;
}

void check_flags(const Flags& flags) {
  for (const std::string& name : flags.tasks) {
    RetrievalOptions options = flags.options;
    options.task = name;
    options.validate();
    if (find_task(name, "--tasks").suite != "ruler")
      fail<UsageError>("--tasks: ", name, " is not one of RULER's; see scca eval ", name, " --help");
    if (std::ranges::count(flags.tasks, name) > 1) fail<UsageError>("--tasks: ", name, " is given twice");
  }
}

Grid evaluate(const Flags& flags, const Llama& model, const Tokenizer& tokenizer) {
  const int64_t each = std::ssize(flags.options.lengths) * flags.options.trials;
  Progress progress("ruler", each * std::ssize(flags.tasks));
  Grid grid;
  for (const std::string& name : flags.tasks) {
    RetrievalOptions options = flags.options;
    options.task = name;
    const int64_t before = each * std::ssize(grid);
    grid.push_back(evaluate_retrieval(model, tokenizer, options,
                                      [&](int64_t done, int64_t) { progress.update(before + done, name); }));
  }
  progress.finish();
  return grid;
}

/// Of one length over all tasks.
double mean_at(const Grid& grid, size_t length) {
  double sum = 0;
  for (const auto& row : grid) sum += row[length].score;
  return sum / static_cast<double>(grid.size());
}

nlohmann::json to_json(const Grid& grid, const Flags& flags) {
  nlohmann::json cells = nlohmann::json::array(), by_length = nlohmann::json::array();
  for (size_t t = 0; t < grid.size(); ++t) {
    for (const RetrievalCell& cell : grid[t])
      cells.push_back({{"task", flags.tasks[t]},
                       {"length", cell.length},
                       {"score", cell.score},
                       {"perfect", cell.perfect},
                       {"trials", cell.trials}});
  }
  double sum = 0;
  for (size_t l = 0; l < grid[0].size(); ++l) {
    by_length.push_back({{"length", grid[0][l].length}, {"score", mean_at(grid, l)}});
    sum += mean_at(grid, l);
  }
  return {{"tasks", flags.tasks},
          {"trials", flags.options.trials},
          {"seed", flags.options.seed},
          {"attention", flags.options.attention.to_string()},
          {"grid", cells},
          {"by_length", by_length},
          {"score", sum / static_cast<double>(grid[0].size())}};
}

void print_readable(const Grid& grid, const Flags& flags) {
  std::cout << "RULER's score, 0 to 100, by tokens; " << flags.options.trials << " prompts each\n";
  std::vector<std::vector<std::string>> table{{"task"}};
  for (const RetrievalCell& cell : grid[0]) table[0].push_back(std::to_string(cell.length));
  for (size_t t = 0; t < grid.size(); ++t) {
    std::vector<std::string>& row = table.emplace_back(1, flags.tasks[t]);
    for (const RetrievalCell& cell : grid[t]) row.push_back(fixed(100 * cell.score, 1));
  }
  std::vector<std::string>& mean = table.emplace_back(1, "mean");
  for (size_t l = 0; l < grid[0].size(); ++l) mean.push_back(fixed(100 * mean_at(grid, l), 1));
  std::cout << format_table(table);
}

void draw(const std::string& path, const Grid& grid, const Flags& flags) {
  Heatmap map{.title = "RULER", .row_label = "task", .column_label = "tokens", .value_label = "score"};
  map.row_names = flags.tasks;
  for (const RetrievalCell& cell : grid[0]) map.column_names.push_back(std::to_string(cell.length));
  for (const auto& row : grid)
    for (const RetrievalCell& cell : row) map.values.push_back(cell.score);
  map.low = 0, map.high = 1;
  write_heatmap(path, map);
  std::cerr << "picture: " << path << "\n";
}

int run(Flags flags) {
  RetrievalOptions& options = flags.options;
  options.attention = parse_attention_spec(flags.attention);
  check_flags(flags);
  const int64_t longest = std::ranges::max(options.lengths);
  const Llama model = load_model(flags.model, longest);
  options.attention.check_layers(model.config.num_hidden_layers);
  const Tokenizer tokenizer = load_tokenizer(flags.model);
  options.bos = puts_bos(flags.bos, tokenizer);
  for (const std::string& name : flags.tasks) {
    options.task = name;
    check_lengths(model.config, tokenizer, options);
  }
  announce_rope(given_config(flags.model), model.config, longest);
  announce_bos(flags.bos, tokenizer, kWhere);
  const Grid grid = evaluate(flags, model, tokenizer);
  if (flags.json) {
    print_json(to_json(grid, flags));
  } else {
    print_readable(grid, flags);
  }
  if (!flags.png.empty()) draw(flags.png, grid, flags);
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->tasks = ruler_tasks();
  RetrievalOptions& options = flags->options;
  add_model_flags(app, flags->model);
  app.add_option("--attention", flags->attention, "Attention pattern: a spec, see scca patterns")
      ->type_name("SPEC")
      ->capture_default_str();
  begin_section(app, section::kEvaluation);
  app.add_option("--lengths", options.lengths, "Tokens of prompt and answer, with commas: 2k,4k")
      ->transform(token_count())
      ->delimiter(',')
      ->required();
  app.add_option("--tasks", flags->tasks, "Which, with commas")
      ->type_name("TASK")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--trials", options.trials, "Prompts of each task and length")
      ->transform(whole_number())
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the prompts")->transform(seed_number())->capture_default_str();
  add_bos_flag(app, flags->bos, kWhere);
  begin_section(app, section::kOutput);
  app.add_option("--png", flags->png, "Also draw the scores into this file")->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "eval ruler", "RULER's retrieval, tracing and counting tasks, by length", set_up,
    "scca eval ruler --model LLAMA_FOLDER --adapter runs/mine/adapter --lengths 4k,8k");

}  // namespace
}  // namespace scca
