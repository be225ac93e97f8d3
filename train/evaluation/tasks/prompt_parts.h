#pragma once
// What tasks build their prompts from: random draws, made-up words, filler, and as much of it as fits.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "train/evaluation/tasks/task.h"

namespace scca {

/// The filler of landmark attention's passkey, and RULER's "noise" haystack.
inline constexpr std::string_view kFiller =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

/// Random numbers of one prompt: Philox of the request, counted. A copy goes on as the original would.
class Draws {
 public:
  explicit Draws(const TaskRequest& request);

  /// Uniform in [0, count).
  int64_t below(int64_t count);
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<size_t>(below(static_cast<int64_t>(i)))]);
  }
  /// `count` of 0 .. from - 1, each at most once, sorted.
  std::vector<int64_t> places(int64_t count, int64_t from);

  /// A number of so many digits, the first not 0.
  std::string number(int digits);
  /// Letters one after the other from `first` ('a' or 'A') on: 26 to choose from.
  std::string letters(int count, char first);
  /// A made-up word that can be spoken: "tibor", five letters, 84375 of them.
  std::string word();
  /// "adjective-noun", from lists of ours: 6144 of them.
  std::string name();
  /// 8-4-4-4-12 hexadecimal digits, as RFC 9562's version 4.
  std::string uuid();
  /// `count` results of make(*this), all different. Throws Error when there are not so many.
  std::vector<std::string> distinct(int64_t count, const std::function<std::string(Draws&)>& make);

 private:
  uint64_t seed_, stream_, next_ = 0;
};

std::string join(const std::vector<std::string>& parts, std::string_view between);

/// "1. tibor 2. kamel": RULER's list of words.
std::string numbered(const std::vector<std::string>& words);

/// How many of the filler's units stand before a needle at this depth: the nearest to depth percent.
int64_t filler_before(int64_t depth, int64_t units);

struct FittedText {
  std::string text;
  int64_t units = 0, tokens = 0;
};

/// build(n) with the largest n >= `least` whose tokens leave the room of task.answer_tokens in
/// request.tokens. Tokens must not fall as n grows. What a unit takes is measured, n guessed from it and
/// corrected: a few tokenisations, two of full length where all units are alike. Throws UsageError when
/// build(least) does not fit.
FittedText fit(const Task& task, const TaskRequest& request, const CountTokens& count, int64_t least,
               const std::function<std::string(int64_t units)>& build);

}  // namespace scca
