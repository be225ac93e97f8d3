#pragma once
// LongBench's tasks: how each asks, how long it lets the model answer, and what it scores the answer with
// (config/dataset2prompt.json, config/dataset2maxlen.json, pred.py and eval.py of THUDM/LongBench).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scca::longbench {

enum class Metric : uint8_t { qa_f1, rouge_l, classification, retrieval, count, code_similarity };

const char* name_of(Metric metric);

struct Task {
  const char* name;
  Metric metric;
  int64_t max_new_tokens;
  const char* prompt;  // with {context} and {input}
  // The answer is its first line: the model goes on with further examples of its own. samsum's also ends
  // there, after at least one token.
  bool first_line = false, stop_at_newline = false;
  const char* marker = "";  // retrieval: what stands before the number in an answer
};

/// One question with its context; `classes` are those of a classification, `length` is LongBench's own count
/// of words (-1: not given).
struct Sample {
  std::string input, context;
  std::vector<std::string> answers, classes;
  int64_t length = -1;
};

/// The task of this name, or of this name without LongBench-E's "_e". Throws UsageError listing the names for
/// any other, and for the three Chinese tasks that are scored on words cut by a segmenter (jieba).
const Task& task_of(const std::string& name);
/// "narrativeqa, qasper, ...": for messages.
std::string task_names();

/// The task's prompt with the sample's texts in place.
std::string prompt_of(const Task& task, const Sample& sample);

/// The best score over the answers, in [0, 1].
double score(const Task& task, const Sample& sample, std::string_view prediction);

}  // namespace scca::longbench
