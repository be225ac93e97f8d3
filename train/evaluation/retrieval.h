#pragma once
// A model on a retrieval task: prompts by length and depth, greedy answers, the task's score.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/llama.h"
#include "models/tokenizer.h"
#include "train/evaluation/tasks/task.h"

namespace scca {

struct RetrievalOptions {
  std::string task = {};              // a registered one
  std::vector<int64_t> lengths = {};  // tokens of prompt and answer together
  std::vector<int64_t> depths = {};   // percent; empty: each prompt draws its own, or the task has none
  int64_t trials = 5;                 // prompts of each cell
  uint64_t seed = 0;
  AttentionSpec attention = parse_attention_spec("full");
  bool bos = false;  // before every prompt

  /// Throws UsageError.
  void validate() const;
};

struct RetrievalCell {
  int64_t length = 0;
  std::optional<int64_t> depth = {};
  int64_t trials = 0, perfect = 0;  // prompts; those with a score of 1
  double score = 0;                 // the mean, 0 to 1
};

/// Prompts done and to do.
using RetrievalProgress = std::function<void(int64_t done, int64_t total)>;

/// One cell for each length and, within it, each depth, in the order given. The same seed asks every model
/// with the same tokenizer the same, and a cell's prompts do not depend on the other cells. Throws UsageError
/// before any work when a length is too short for the task.
std::vector<RetrievalCell> evaluate_retrieval(const Llama& model, const Tokenizer& tokenizer,
                                              const RetrievalOptions& options,
                                              const RetrievalProgress& progress = {});

/// Throws UsageError when a length is too short for the task, or the attention changes what earlier tokens
/// see while an answer grows (models/generate.h, check_growth): before anything is evaluated.
void check_lengths(const LlamaConfig& config, const Tokenizer& tokenizer, const RetrievalOptions& options);

/// What the model goes on with, greedily: task.answer_tokens at most, fewer once the score is settled.
std::string generate_answer(const Llama& model, const Tokenizer& tokenizer, const Task& task,
                            const TaskPrompt& prompt, const RetrievalOptions& options);

}  // namespace scca
