// RULER's needles in a haystack (arXiv 2404.06654): one key's value is asked for. The haystack is filler, or
// other needles just like it.
#include "train/evaluation/tasks/prompt_parts.h"

namespace scca {
namespace {

struct Kind {
  std::string values;  // what the prompt calls them
  std::string (*key)(Draws& draws), (*value)(Draws& draws);
  bool among_needles = false;
};

std::string name(Draws& draws) { return draws.name(); }
std::string number(Draws& draws) { return draws.number(7); }
std::string uuid(Draws& draws) { return draws.uuid(); }

std::string needle(const Kind& kind, const std::string& key, const std::string& value) {
  return "One of the special magic " + kind.values + "s for " + key + " is: " + value + ".";
}

/// A needle for another key: there is one answer.
std::string other_needle(const Kind& kind, Draws& draws, const std::string& key) {
  std::string other = kind.key(draws);
  while (other == key) other = kind.key(draws);
  return needle(kind, other, kind.value(draws));
}

std::string question(const Kind& kind, const std::string& key) {
  const std::string what =
      "the special magic " + kind.values + " for " + key + " mentioned in the provided text";
  return "What is " + what + "? T" + what.substr(1) + " is";
}

TaskPrompt make_needle(const Kind& kind, const Task& task, const CountTokens& count,
                       const TaskRequest& request) {
  Draws draws(request);
  const std::string key = kind.key(draws), value = kind.value(draws);
  const int64_t depth = request.depth ? *request.depth : draws.below(101);
  const FittedText fitted = fit(task, request, count, 1, [&](int64_t units) {
    Draws others = draws;
    std::vector<std::string> lines{"A special magic " + kind.values +
                                   " is hidden within the following text. Make sure to memorize it. I will "
                                   "quiz you about the " +
                                   kind.values + " afterwards."};
    for (int64_t unit = 0; unit < units; ++unit)
      lines.push_back(kind.among_needles ? other_needle(kind, others, key) : std::string(kFiller));
    lines.insert(lines.begin() + 1 + filler_before(depth, units), needle(kind, key, value));
    lines.push_back(question(kind, key));
    return join(lines, "\n");
  });
  return {fitted.text, {value}, " " + value + ".", fitted.tokens, depth};
}

template <Kind (*kind)()>
TaskPrompt make(const Task& task, const CountTokens& count, const TaskRequest& request) {
  return make_needle(kind(), task, count, request);
}

Kind single_1() { return {"number", name, number, false}; }
Kind multikey_2() { return {"number", name, number, true}; }
Kind multikey_3() { return {"uuid", uuid, uuid, true}; }

Task entry(const std::string& name, const std::string& summary,
           TaskPrompt (*make)(const Task&, const CountTokens&, const TaskRequest&)) {
  return {.name = name,
          .suite = "ruler",
          .summary = summary,
          .answer_tokens = 128,
          .takes_depth = true,
          .make = make,
          .score = string_match_all,
          .settled = all_strings_match};
}

const RegisterTask first(entry("niah_single_1", "a number by its key, in filler", make<single_1>));
const RegisterTask second(entry("niah_multikey_2", "a number by its key, among others", make<multikey_2>));
const RegisterTask third(entry("niah_multikey_3", "a UUID by its UUID, among others", make<multikey_3>));

}  // namespace
}  // namespace scca
