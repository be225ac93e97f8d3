// passkey: a five-digit key in a text that says nothing else (landmark attention, arXiv 2305.16300).
#include "train/evaluation/tasks/prompt_parts.h"

namespace scca {
namespace {

constexpr std::string_view kHeader =
    "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz "
    "you about the important information there.";
constexpr std::string_view kQuestion = "What is the pass key? The pass key is";

TaskPrompt make(const Task& task, const CountTokens& count, const TaskRequest& request) {
  Draws draws(request);
  const std::string key = draws.number(5);
  const int64_t depth = request.depth ? *request.depth : draws.below(101);
  const std::string needle = "The pass key is " + key + ". Remember it. " + key + " is the pass key.";
  const FittedText fitted = fit(task, request, count, 0, [&](int64_t units) {
    std::vector<std::string> lines(static_cast<size_t>(units) + 3, std::string(kFiller));
    lines.front() = kHeader;
    lines[1 + static_cast<size_t>(filler_before(depth, units))] = needle;
    lines.back() = kQuestion;
    return join(lines, "\n");
  });
  return {fitted.text, {key}, " " + key + ".", fitted.tokens, depth};
}

// 16 tokens: a space, five digits at a token or two each, and what ends the number.
const RegisterTask line({.name = "passkey",
                         .suite = "passkey",
                         .summary = "a five-digit key in filler, at a depth",
                         .answer_tokens = 16,
                         .takes_depth = true,
                         .make = make,
                         .score = first_digits_match,
                         .settled = first_digits_ended});

}  // namespace
}  // namespace scca
