#pragma once
// A retrieval task: prompts of any wanted length whose answer stands in them, and the score of what a model
// goes on with. Each task, or family of them, is one small file in this folder; nothing else in the project
// knows a task's name.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"

namespace scca {

/// How many tokens a text takes, with all that the model is given (BOS).
using CountTokens = std::function<int64_t(std::string_view text)>;

/// What decides a prompt, besides the tokenizer: each differing request is a draw of its own.
struct TaskRequest {
  int64_t tokens = 0;  // of the prompt and the room for its answer, together
  std::optional<int64_t> depth =
      {};  // percent of the filler that stands before what is asked for; none: drawn
  uint64_t seed = 0;
  int64_t index = 0;  // 0 .. 2^24 - 1: which of the prompts with this seed
};

struct TaskPrompt {
  std::string prompt;
  std::vector<std::string> answers;  // what the score looks for, in the order of the continuation
  std::string continuation;          // of the prompt, as one who knows writes it: " 12345."
  int64_t prompt_tokens = 0;
  std::optional<int64_t> depth;  // asked for or drawn; none where the task has none
};

struct Task {
  std::string name = {}, suite = {}, summary = {};  // suite: "passkey" or "ruler"
  int64_t answer_tokens = 0;                        // the room for the answer: at most so many are generated
  bool takes_depth = false;
  /// The request's depth is empty unless the task takes one.
  TaskPrompt (*make)(const Task& task, const CountTokens& count, const TaskRequest& request) = nullptr;
  /// 0 to 1, of a generated text.
  double (*score)(std::string_view text, const std::vector<std::string>& answers) = nullptr;
  /// True when no text that begins like this can score anything else: generation may stop.
  bool (*settled)(std::string_view text, const std::vector<std::string>& answers) = nullptr;
};

/// A function of its arguments alone. The prompt takes as many filler units as fit request.tokens. Throws
/// UsageError saying the least length when not even the shortest prompt fits, and for a depth or index out of
/// range or a depth that the task does not take.
TaskPrompt make_prompt(const Task& task, const CountTokens& count, const TaskRequest& request);

/// All tasks by name.
const std::vector<Task>& registered_tasks();
/// Throws UsageError naming the known tasks; `setting` is where the name was given.
const Task& find_task(const std::string& name, const Message& setting);

/// A task's line at the end of its file:
///   const RegisterTask line({.name = "vt", .suite = "ruler", ...});
struct RegisterTask {
  explicit RegisterTask(Task task);
};

/// RULER's string_match_all for one prompt: the share of the answers that occur in the text, upper and lower
/// case alike.
double string_match_all(std::string_view text, const std::vector<std::string>& answers);
bool all_strings_match(std::string_view text, const std::vector<std::string>& answers);

/// Passkey's: 1 when the text's first run of digits is the answer.
double first_digits_match(std::string_view text, const std::vector<std::string>& answers);
bool first_digits_ended(std::string_view text, const std::vector<std::string>& answers);

}  // namespace scca
