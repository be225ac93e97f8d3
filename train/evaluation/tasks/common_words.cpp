// cwe, RULER's common words extraction (arXiv 2404.06654): in a numbered list ten words appear often and all
// others seldom; the ten are asked for. A worked example with its answer comes first.
#include "core/check.h"
#include "train/evaluation/tasks/prompt_parts.h"

namespace scca {
namespace {

constexpr int64_t kCommon = 10;
// From here on RULER's example and text are larger. Where they leave no room (a tokenizer that takes many
// tokens for a number), the smaller ones do.
constexpr int64_t kLong = 4096;

struct Size {
  int64_t example_words, example_common, example_uncommon;  // different words; how often each appears
  int64_t common, uncommon;
};
constexpr Size kShortSize{20, 3, 1, 6, 1}, kLongSize{40, 10, 3, 30, 3};

std::string text_with(const std::vector<std::string>& words, int64_t common, int64_t uncommon, Draws& draws) {
  std::vector<std::string> list;
  for (size_t i = 0; i < words.size(); ++i)
    list.insert(list.end(), static_cast<size_t>(i < kCommon ? common : uncommon), words[i]);
  draws.shuffle(list);
  return "Below is a numbered list of words. In these words, some appear more often than others. Memorize "
         "the "
         "ones that appear most often.\n" +
         numbered(list) +
         "\nQuestion: What are the 10 most common words in the above list? Answer: The top 10 words that "
         "appear most often in the list are:";
}

std::vector<std::string> draw_words(Draws& draws, int64_t count) {
  return draws.distinct(count, [](Draws& more) { return more.word(); });
}

std::vector<std::string> common_of(std::vector<std::string> words) {
  words.resize(kCommon);
  return words;
}

TaskPrompt make_size(const Size& size, const Task& task, const CountTokens& count,
                     const TaskRequest& request) {
  Draws draws(request);
  const std::vector<std::string> shown = draw_words(draws, size.example_words);
  const std::string example = text_with(shown, size.example_common, size.example_uncommon, draws) + " " +
                              numbered(common_of(shown)) + "\n";
  const FittedText fitted = fit(task, request, count, 2 * kCommon, [&](int64_t units) {
    Draws fresh = draws;
    const std::vector<std::string> words = draw_words(fresh, units);
    return example + text_with(words, size.common, size.uncommon, fresh);
  });
  const std::vector<std::string> answers = draw_words(draws, kCommon);  // every text's first words
  return {fitted.text, answers, " " + numbered(answers) + ".", fitted.tokens, {}};
}

TaskPrompt make(const Task& task, const CountTokens& count, const TaskRequest& request) {
  if (request.tokens < kLong) return make_size(kShortSize, task, count, request);
  try {
    return make_size(kLongSize, task, count, request);
  } catch (const UsageError&) {
    return make_size(kShortSize, task, count, request);
  }
}

const RegisterTask line({.name = "cwe",
                         .suite = "ruler",
                         .summary = "the ten most common words of a list",
                         .answer_tokens = 120,
                         .make = make,
                         .score = string_match_all,
                         .settled = all_strings_match});

}  // namespace
}  // namespace scca
