#pragma once
// A model on retrieval tasks: prompts by task, length and depth, greedy answers, the tasks' scores. `scca
// eval passkey` asks one task by length and depth (passkey retrieval: Mohtashami and Jaggi, arXiv
// 2305.16300), `scca eval ruler` asks several by length.
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/llama.h"
#include "models/tokenizer/tokenizer.h"
#include "train/evaluation/tasks/task.h"
#include "train/report/heatmap.h"

namespace scca {

struct RetrievalOptions {
  std::vector<std::string> tasks = {};  // registered ones
  std::vector<int64_t> lengths = {};    // tokens of prompt and answer together
  std::vector<int64_t> depths = {};     // percent; empty: each prompt draws its own, or the task has none
  int64_t trials = 5;                   // prompts of each cell
  uint64_t seed = 0;
  std::optional<AttentionSpec> attention = {};  // empty: the model's own, null in JSON
  bool bos = false;                             // before every prompt

  /// Throws UsageError.
  void validate() const;
};

/// Passkey at five depths from 0 to 100 percent of the filler.
RetrievalOptions passkey_options();

struct RetrievalCell {
  std::string task = {};
  int64_t length = 0;
  std::optional<int64_t> depth = {};
  int64_t trials = 0, perfect = 0;  // prompts; those with a score of 1
  double score = 0;                 // the mean, 0 to 1
};

/// Several cells as one, of the first one's task, length and depth. Prompts add up. Cells with a depth ask
/// for one key, found or not: the score is the share of all keys. Else it is the mean of the scores, which
/// counts every task alike. Throws Error when there is no cell.
RetrievalCell together(const std::vector<RetrievalCell>& cells);

struct Retrieval {
  std::vector<RetrievalCell> cells;

  /// The cells of each length together, in order of appearance.
  std::vector<RetrievalCell> by_length() const;
};

/// Prompts done and to do, and the task that is asked.
using RetrievalProgress = std::function<void(int64_t done, int64_t total, const std::string& task)>;

/// One cell for each task, within it each length, and within that each depth, in the order given. The same
/// seed asks every model with the same tokenizer the same, and a cell's prompts do not depend on the other
/// cells. Throws UsageError before a task's first prompt is asked when a length is too short for it.
Retrieval evaluate_retrieval(const Llama& model, const Tokenizer& tokenizer, const RetrievalOptions& options,
                             const RetrievalProgress& progress = {});

/// Throws UsageError when a length is too short for a task, or the attention changes what earlier tokens
/// see while an answer grows (models/generate.h, check_growth): before anything is evaluated.
void check_lengths(const LlamaConfig& config, const Tokenizer& tokenizer, const RetrievalOptions& options);

/// What the model goes on with, greedily: task.answer_tokens at most, fewer once the score is settled.
std::string generate_answer(const Llama& model, const Tokenizer& tokenizer, const Task& task,
                            const TaskPrompt& prompt, const RetrievalOptions& options);

/// How many tokens a prompt takes with this tokenizer, which must outlive the result.
CountTokens token_counter(const Tokenizer& tokenizer, bool bos);

/// {"trials", "seed", "attention", "grid": [a cell], "by_length": [cells together]} and
/// with depths "task" and "accuracy" of all cells; a cell has "length", "depth", "correct", "trials" and
///   "accuracy", those together all but the depth;
/// else "tasks" and "score" of all; a cell has "task", "length", "score", "perfect" and "trials", those
///   together "length" and "score".
nlohmann::json to_json(const Retrieval& retrieval, const RetrievalOptions& options);
/// The cells of it. Throws nlohmann's exceptions for what to_json did not write.
void from_json(const nlohmann::json& json, Retrieval& retrieval);

/// Depths, or tasks where there are none, downwards, lengths to the right, on a scale from 0 to 1.
Heatmap retrieval_heatmap(const Retrieval& retrieval, const std::string& title);

}  // namespace scca
