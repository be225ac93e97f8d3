// fwe, RULER's frequent words extraction (arXiv 2404.06654): coded words appear as often as a zeta
// distribution has it; the most frequent is "...", noise, and the three that follow are asked for.
#include <algorithm>
#include <cmath>

#include "train/evaluation/tasks/prompt_parts.h"

namespace scca {
namespace {

constexpr double kAlpha = 2.0;

/// Of n words, how many are the k-th most frequent: floor(n k^-alpha / zeta(alpha)).
int64_t count_of(int64_t n, int64_t k) {
  return static_cast<int64_t>(static_cast<double>(n) * std::pow(static_cast<double>(k), -kAlpha) /
                              std::riemann_zeta(kAlpha));
}

/// From here on the fourth always appears more often than the fifth: there is one answer.
int64_t least_words() {
  const double apart = (std::pow(4, -kAlpha) - std::pow(5, -kAlpha)) / std::riemann_zeta(kAlpha);
  return static_cast<int64_t>(std::ceil(1 / apart));
}

std::string text_with(const std::vector<std::string>& ranked, int64_t n, Draws& draws) {
  std::vector<std::string> words;
  for (size_t rank = 0; rank < ranked.size(); ++rank)
    words.insert(words.end(), static_cast<size_t>(count_of(n, static_cast<int64_t>(rank) + 1)), ranked[rank]);
  draws.shuffle(words);
  return "Read the following coded text and track the frequency of each coded word. Find the three most "
         "frequently appeared coded words. " +
         join(words, " ") +
         "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most "
         "frequently appeared words in the above coded text? Answer: According to the coded text above, the "
         "three most frequently appeared words are:";
}

TaskPrompt make(const Task& task, const CountTokens& count, const TaskRequest& request) {
  Draws draws(request);
  // RULER's size of the vocabulary; beyond the fifth it bounds the words of short texts only
  const int64_t vocabulary = std::max<int64_t>(5, (request.tokens - task.answer_tokens) / 50);
  std::vector<std::string> ranked =
      draws.distinct(vocabulary, [](Draws& more) { return more.letters(6, 'a'); });
  ranked[0] = "...";
  const FittedText fitted = fit(task, request, count, least_words(), [&](int64_t units) {
    Draws fresh = draws;
    return text_with(ranked, units, fresh);
  });
  const std::vector<std::string> answers(ranked.begin() + 1, ranked.begin() + 4);
  return {fitted.text, answers, " " + join(answers, " ") + ".", fitted.tokens, {}};
}

const RegisterTask line({.name = "fwe",
                         .suite = "ruler",
                         .summary = "the three most frequent words of a coded text",
                         .answer_tokens = 50,
                         .make = make,
                         .score = string_match_all,
                         .settled = all_strings_match});

}  // namespace
}  // namespace scca
