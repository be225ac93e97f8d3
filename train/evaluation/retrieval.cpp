#include "train/evaluation/retrieval.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "models/generate.h"

namespace scca {
namespace {

struct Prompts {
  int64_t length = 0;
  std::optional<int64_t> depth;
  std::vector<TaskPrompt> all;
};

std::vector<std::optional<int64_t>> depths_of(const RetrievalOptions& options) {
  if (options.depths.empty()) return {std::nullopt};
  return {options.depths.begin(), options.depths.end()};
}

/// All prompts before the first is asked: a length that is too short shows at once.
std::vector<Prompts> make_prompts(const Task& task, const Tokenizer& tokenizer,
                                  const RetrievalOptions& options) {
  const CountTokens count = token_counter(tokenizer, options.bos);
  std::vector<Prompts> cells;
  for (const int64_t length : options.lengths) {
    for (const auto& depth : depths_of(options)) {
      Prompts& cell = cells.emplace_back(Prompts{length, depth, {}});
      for (int64_t trial = 0; trial < options.trials; ++trial)
        cell.all.push_back(make_prompt(task, count, {length, depth, options.seed, trial}));
    }
  }
  return cells;
}

double share_of(int64_t perfect, int64_t trials) {
  return static_cast<double>(perfect) / static_cast<double>(trials);
}

/// `what` of each cell, each once, in order of appearance.
template <class What>
auto different(const std::vector<RetrievalCell>& cells, What what) {
  std::vector<std::decay_t<decltype(what(cells[0]))>> found;
  for (const RetrievalCell& cell : cells)
    if (std::ranges::find(found, what(cell)) == found.end()) found.push_back(what(cell));
  return found;
}

int64_t length_of(const RetrievalCell& cell) { return cell.length; }
std::string row_of(const RetrievalCell& cell) { return cell.depth ? concat(*cell.depth, " %") : cell.task; }

/// A key is found or not, and an answer has a score: what the figures of a cell are called.
struct Names {
  const char *row, *perfect, *score, *score_label;
};
const Names& names_of(bool by_depth) {
  static constexpr Names kKeys{"depth", "correct", "accuracy", "keys found"},
      kScores{"task", "perfect", "score", "score"};
  return by_depth ? kKeys : kScores;
}

nlohmann::json figures_json(const RetrievalCell& cell, const Names& names) {
  return {{"length", cell.length},
          {names.perfect, cell.perfect},
          {"trials", cell.trials},
          {names.score, cell.score}};
}

}  // namespace

void RetrievalOptions::validate() const {
  if (tasks.empty()) fail<UsageError>(Setting("tasks"), ": names none");
  for (const std::string& task : tasks) find_task(task, Setting("tasks"));
  if (lengths.empty()) fail<UsageError>(Setting("lengths"), ": is empty; give token counts, as in 512,1024");
  for (const auto& [setting, numbers] : {std::pair("lengths", &lengths), std::pair("depths", &depths)})
    for (const int64_t number : *numbers)
      if (std::ranges::count(*numbers, number) > 1)
        fail<UsageError>(Setting(setting), ": ", number, " is given twice");
  for (const int64_t length : lengths) {
    if (length < 1 || length >= int64_t{1} << 32)
      fail<UsageError>(Setting("lengths"), ": ", length, ": expected a number of tokens, 1 or more");
  }
  for (const int64_t depth : depths) {
    if (depth < 0 || depth > 100)
      fail<UsageError>(Setting("depths"), ": ", depth, ": expected percentages, 0 to 100");
  }
  if (!depths.empty() && tasks.size() > 1)
    fail<UsageError>(Setting("depths"), ": expected of one task alone");
  if (trials < 1 || trials > int64_t{1} << 24)
    fail<UsageError>(Setting("trials"), " ", trials, ": expected 1 to 2^24");
}

RetrievalOptions passkey_options() { return {.tasks = {"passkey"}, .depths = {0, 25, 50, 75, 100}}; }

CountTokens token_counter(const Tokenizer& tokenizer, bool bos) {
  return [&tokenizer, bos](std::string_view text) { return std::ssize(tokenizer.encode(text, bos)); };
}

void check_lengths(const LlamaConfig& config, const Tokenizer& tokenizer, const RetrievalOptions& options) {
  const CountTokens count = token_counter(tokenizer, options.bos);
  for (const std::string& name : options.tasks) {
    const Task& task = find_task(name, Setting("tasks"));
    for (const int64_t length : options.lengths) {
      make_prompt(task, count, {length, depths_of(options).front(), options.seed, 0});
      check_growth(config, options.attention, length - task.answer_tokens, task.answer_tokens);
    }
  }
}

std::string generate_answer(const Llama& model, const Tokenizer& tokenizer, const Task& task,
                            const TaskPrompt& prompt, const RetrievalOptions& options) {
  const std::vector<int32_t> ids = tokenizer.encode(prompt.prompt, options.bos);
  const SamplingOptions greedy{.max_tokens = task.answer_tokens,
                               .temperature = 0,
                               .attention = options.attention,
                               .vocabulary = tokenizer.vocab_size()};
  TextStream stream(tokenizer, {ids.back()});
  std::string text;
  generate(model, ids, greedy, [&](int32_t id) {
    text += stream.push(id);
    return !task.settled(text, prompt.answers);
  });
  return text + stream.finish();
}

Retrieval evaluate_retrieval(const Llama& model, const Tokenizer& tokenizer, const RetrievalOptions& options,
                             const RetrievalProgress& progress) {
  options.validate();
  const int64_t cells =
      std::ssize(options.tasks) * std::ssize(options.lengths) * std::ssize(depths_of(options));
  int64_t done = 0;
  Retrieval result;
  for (const std::string& name : options.tasks) {
    const Task& task = find_task(name, Setting("tasks"));
    for (const Prompts& prompts : make_prompts(task, tokenizer, options)) {
      RetrievalCell& cell = result.cells.emplace_back(RetrievalCell{name, prompts.length, prompts.depth});
      double sum = 0;
      for (const TaskPrompt& prompt : prompts.all) {
        const double score =
            task.score(generate_answer(model, tokenizer, task, prompt, options), prompt.answers);
        sum += score;
        if (score == 1) ++cell.perfect;
        ++cell.trials;
        if (progress) progress(++done, cells * options.trials, name);
      }
      cell.score = sum / static_cast<double>(cell.trials);
    }
  }
  return result;
}

RetrievalCell together(const std::vector<RetrievalCell>& cells) {
  SCCA_CHECK(!cells.empty(), "retrieval: no cells");
  RetrievalCell sum{cells[0].task, cells[0].length, cells[0].depth};
  for (const RetrievalCell& cell : cells) {
    sum.trials += cell.trials;
    sum.perfect += cell.perfect;
    sum.score += cell.score;
  }
  sum.score = sum.depth ? share_of(sum.perfect, sum.trials) : sum.score / static_cast<double>(cells.size());
  return sum;
}

std::vector<RetrievalCell> Retrieval::by_length() const {
  std::vector<RetrievalCell> lengths;
  for (const int64_t length : different(cells, length_of)) {
    std::vector<RetrievalCell> column;
    std::ranges::copy_if(cells, std::back_inserter(column),
                         [&](const RetrievalCell& cell) { return cell.length == length; });
    lengths.push_back(together(column));
  }
  return lengths;
}

nlohmann::json to_json(const Retrieval& retrieval, const RetrievalOptions& options) {
  const bool by_depth = !options.depths.empty();
  const Names& names = names_of(by_depth);
  const std::vector<RetrievalCell> lengths = retrieval.by_length();
  nlohmann::json result{
      {"trials", options.trials},
      {"seed", options.seed},
      {"attention", options.attention ? nlohmann::json(options.attention->to_string()) : nlohmann::json()},
      {"grid", nlohmann::json::array()},
      {"by_length", nlohmann::json::array()},
      {names.score, together(lengths).score}};
  if (by_depth) {
    result["task"] = options.tasks.at(0);
  } else {
    result["tasks"] = options.tasks;
  }
  for (const RetrievalCell& cell : retrieval.cells) {
    nlohmann::json& entry = result["grid"].emplace_back(figures_json(cell, names));
    entry[names.row] = by_depth ? nlohmann::json(cell.depth.value()) : nlohmann::json(cell.task);
  }
  for (const RetrievalCell& cell : lengths) {
    const nlohmann::json score{{"length", cell.length}, {names.score, cell.score}};
    result["by_length"].push_back(by_depth ? figures_json(cell, names) : score);
  }
  return result;
}

void from_json(const nlohmann::json& json, Retrieval& retrieval) {
  retrieval.cells.clear();
  for (const nlohmann::json& entry : json.at("grid")) {
    const bool by_depth = entry.contains("depth");
    const Names& names = names_of(by_depth);
    RetrievalCell& cell = retrieval.cells.emplace_back();
    (by_depth ? json : entry).at("task").get_to(cell.task);
    entry.at("length").get_to(cell.length);
    if (by_depth) cell.depth = entry.at("depth").get<int64_t>();
    entry.at("trials").get_to(cell.trials);
    entry.at(names.perfect).get_to(cell.perfect);
    entry.at(names.score).get_to(cell.score);
  }
}

Heatmap retrieval_heatmap(const Retrieval& retrieval, const std::string& title) {
  const std::vector<RetrievalCell>& cells = retrieval.cells;
  const std::vector<int64_t> lengths = different(cells, length_of);
  const std::vector<std::string> rows = different(cells, row_of);
  const Names& names = names_of(!cells.empty() && cells[0].depth);
  Heatmap map{.title = title,
              .row_label = names.row,
              .column_label = "tokens",
              .value_label = names.score_label,
              .row_names = rows,
              .low = 0,
              .high = 1};
  for (const int64_t length : lengths) map.column_names.push_back(std::to_string(length));
  map.values.assign(lengths.size() * rows.size(), std::nan(""));
  for (const RetrievalCell& cell : cells) {
    const auto row = static_cast<size_t>(std::ranges::find(rows, row_of(cell)) - rows.begin());
    const auto column = static_cast<size_t>(std::ranges::find(lengths, cell.length) - lengths.begin());
    map.values[row * lengths.size() + column] = cell.score;
  }
  return map;
}

}  // namespace scca
