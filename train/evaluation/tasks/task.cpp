#include "train/evaluation/tasks/task.h"

#include <algorithm>

#include "core/check.h"
#include "core/joined.h"
#include "nn/patterns/spec_syntax.h"

namespace scca {
namespace {

constexpr std::string_view kDigits = "0123456789";

// A function's static, not a global: the task files register before main() in no particular order.
std::vector<Task>& registry() {
  static std::vector<Task> tasks;
  return tasks;
}

// ASCII only: no answer of ours has other letters.
std::string lower(std::string_view text) {
  std::string result(text);
  for (char& letter : result)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return result;
}

}  // namespace

RegisterTask::RegisterTask(Task task) {
  std::vector<Task>& tasks = registry();
  const auto place = std::lower_bound(tasks.begin(), tasks.end(), task,
                                      [](const Task& a, const Task& b) { return a.name < b.name; });
  SCCA_CHECK(place == tasks.end() || place->name != task.name, "task '", task.name, "' is registered twice");
  tasks.insert(place, std::move(task));
}

const std::vector<Task>& registered_tasks() { return registry(); }

const Task& find_task(const std::string& name, const Message& setting) {
  std::vector<std::string> known;
  for (const Task& task : registry()) {
    if (task.name == name) return task;
    known.push_back(task.name);
  }
  fail<UsageError>(setting, ": unknown task '", name, "'", suggestion(name, known),
                   " Known tasks: ", joined(known));
}

TaskPrompt make_prompt(const Task& task, const CountTokens& count, const TaskRequest& request) {
  if (request.depth && !task.takes_depth)
    fail<UsageError>(task.name, ": has no depth; its answer is spread over the whole text");
  if (request.depth && (*request.depth < 0 || *request.depth > 100))
    fail<UsageError>("depth ", *request.depth, ": expected a percentage, 0 to 100");
  if (request.index < 0 || request.index >= int64_t{1} << 24)
    fail<UsageError>("prompt ", request.index, ": expected 0 to 2^24 - 1");
  return task.make(task, count, request);
}

double string_match_all(std::string_view text, const std::vector<std::string>& answers) {
  const std::string in = lower(text);
  const auto found = std::ranges::count_if(
      answers, [&](const std::string& answer) { return in.find(lower(answer)) != std::string::npos; });
  return static_cast<double>(found) / static_cast<double>(answers.size());
}

bool all_strings_match(std::string_view text, const std::vector<std::string>& answers) {
  return string_match_all(text, answers) == 1;
}

double first_digits_match(std::string_view text, const std::vector<std::string>& answers) {
  text.remove_prefix(std::min(text.find_first_of(kDigits), text.size()));
  return text.substr(0, text.find_first_not_of(kDigits)) == answers.at(0) ? 1 : 0;
}

bool first_digits_ended(std::string_view text, const std::vector<std::string>&) {
  const size_t begin = text.find_first_of(kDigits);
  return begin != std::string_view::npos && text.find_first_not_of(kDigits, begin) != std::string_view::npos;
}

}  // namespace scca
