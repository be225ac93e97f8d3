#include "train/evaluation/retrieval.h"

#include "core/check.h"
#include "models/generate.h"

namespace scca {
namespace {

struct Cell {
  int64_t length = 0;
  std::optional<int64_t> depth;
  std::vector<TaskPrompt> prompts;
};

CountTokens counter(const Tokenizer& tokenizer, const RetrievalOptions& options) {
  return [&tokenizer, bos = options.bos](std::string_view text) {
    return std::ssize(tokenizer.encode(text, bos));
  };
}

std::vector<std::optional<int64_t>> depths_of(const RetrievalOptions& options) {
  if (options.depths.empty()) return {std::nullopt};
  return {options.depths.begin(), options.depths.end()};
}

/// All prompts before the first is asked: a length that is too short shows at once.
std::vector<Cell> make_cells(const Task& task, const Tokenizer& tokenizer, const RetrievalOptions& options) {
  const CountTokens count = counter(tokenizer, options);
  std::vector<Cell> cells;
  for (const int64_t length : options.lengths) {
    for (const auto& depth : depths_of(options)) {
      Cell& cell = cells.emplace_back(Cell{length, depth, {}});
      for (int64_t trial = 0; trial < options.trials; ++trial)
        cell.prompts.push_back(make_prompt(task, count, {length, depth, options.seed, trial}));
    }
  }
  return cells;
}

}  // namespace

void RetrievalOptions::validate() const {
  find_task(task, Setting("task"));
  if (lengths.empty()) fail<UsageError>(Setting("lengths"), ": is empty; give token counts, as in 512,1024");
  for (const int64_t length : lengths) {
    if (length < 1 || length >= int64_t{1} << 32)
      fail<UsageError>(Setting("lengths"), ": ", length, ": expected a number of tokens, 1 or more");
  }
  for (const int64_t depth : depths) {
    if (depth < 0 || depth > 100)
      fail<UsageError>(Setting("depths"), ": ", depth, ": expected percentages, 0 to 100");
  }
  if (trials < 1 || trials > int64_t{1} << 24)
    fail<UsageError>(Setting("trials"), " ", trials, ": expected 1 to 2^24");
}

void check_lengths(const LlamaConfig& config, const Tokenizer& tokenizer, const RetrievalOptions& options) {
  const Task& task = find_task(options.task, Setting("task"));
  for (const int64_t length : options.lengths) {
    make_prompt(task, counter(tokenizer, options), {length, depths_of(options).front(), options.seed, 0});
    check_growth(config, options.attention, length - task.answer_tokens, task.answer_tokens);
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

std::vector<RetrievalCell> evaluate_retrieval(const Llama& model, const Tokenizer& tokenizer,
                                              const RetrievalOptions& options,
                                              const RetrievalProgress& progress) {
  options.validate();
  const Task& task = find_task(options.task, Setting("task"));
  const std::vector<Cell> cells = make_cells(task, tokenizer, options);
  const int64_t total = std::ssize(cells) * options.trials;
  int64_t done = 0;
  std::vector<RetrievalCell> results;
  for (const Cell& cell : cells) {
    RetrievalCell& result = results.emplace_back(RetrievalCell{cell.length, cell.depth});
    double sum = 0;
    for (const TaskPrompt& prompt : cell.prompts) {
      const double score =
          task.score(generate_answer(model, tokenizer, task, prompt, options), prompt.answers);
      sum += score;
      if (score == 1) ++result.perfect;
      ++result.trials;
      if (progress) progress(++done, total);
    }
    result.score = sum / static_cast<double>(result.trials);
  }
  return results;
}

}  // namespace scca
