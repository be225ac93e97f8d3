#pragma once
// What a model answers to LongBench's samples: the prompt, cut in the middle to what fits, continued
// greedily.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/llama.h"
#include "models/tokenizer/tokenizer.h"
#include "train/evaluation/longbench/tasks.h"

namespace scca::longbench {

struct AnswerOptions {
  int64_t context = 0;                          // tokens of prompt and answer together
  std::optional<AttentionSpec> attention = {};  // empty: the model's own
  bool bos = false;                             // before the prompt

  /// Tokens left to the prompt. Throws UsageError when that is less than two.
  int64_t prompt_tokens(const Task& task) const;
};

/// The first and the last floor(limit / 2) of the ids when they are more than `limit`, else all: instructions
/// stand at both ends. (The reference turns both halves into text and that into tokens again, which may move
/// a token at the seam.)
std::vector<int32_t> truncate_middle(const std::vector<int32_t>& ids, int64_t limit);

struct Answer {
  std::string text;
  double score = 0;        // in [0, 1]
  bool truncated = false;  // whether the prompt was
};

/// The likeliest continuation, and its score.
Answer answer(const Llama& model, const Tokenizer& tokenizer, const Task& task, const Sample& sample,
              const AnswerOptions& options);

/// Means in percent: of all, and of LongBench-E's groups by `length`, words in the context: "0-4k" (below
/// 4000), "4-8k", "8k+"; a group without a sample is not there.
struct TaskScore {
  double mean = 0;
  std::vector<std::pair<std::string, double>> by_length;
};
TaskScore summarize(const std::vector<Sample>& samples, const std::vector<Answer>& answers);

}  // namespace scca::longbench
