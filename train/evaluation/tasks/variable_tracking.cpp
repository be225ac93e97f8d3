// vt, RULER's variable tracking (arXiv 2404.06654): one chain of assignments, four hops long, in filler; all
// five variables that hold the value are asked for. A worked example with its answer comes first.
#include "train/evaluation/tasks/prompt_parts.h"

namespace scca {
namespace {

constexpr int64_t kVariables = 5;  // one that is given the value, and four hops

struct Chain {
  std::vector<std::string> variables;
  std::string value;
};

Chain draw_chain(Draws& draws, int letters) {
  return {draws.distinct(kVariables, [&](Draws& more) { return more.letters(letters, 'A'); }),
          draws.number(5)};
}

/// The chain's lines in order, at random places among `units` lines of filler.
std::string text_with(const Chain& chain, int64_t units, Draws& draws) {
  std::vector<std::string> lines(static_cast<size_t>(units), std::string(kFiller));
  const std::vector<int64_t> places = draws.places(kVariables, units);
  for (size_t i = 0; i < chain.variables.size(); ++i) {
    const std::string from = i == 0 ? chain.value : "VAR " + chain.variables[i - 1];
    lines.insert(lines.begin() + places[i] + static_cast<int64_t>(i),
                 "VAR " + chain.variables[i] + " = " + from);
  }
  return "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n" +
         join(lines, "\n") + "\nQuestion: Find all variables that are assigned the value " + chain.value +
         " in the text above. Answer: According to the chain(s) of variable assignment in the text above, 5 "
         "variables are assigned the value " +
         chain.value + ", they are:";
}

std::string answer_of(const Chain& chain) { return " " + join(chain.variables, " "); }

TaskPrompt make(const Task& task, const CountTokens& count, const TaskRequest& request) {
  Draws draws(request);
  const Chain shown = draw_chain(draws, 3), asked = draw_chain(draws, 5);
  const std::string example = text_with(shown, kVariables, draws) + answer_of(shown) + "\n\n";
  const FittedText fitted = fit(task, request, count, kVariables, [&](int64_t units) {
    Draws fresh = draws;
    return example + text_with(asked, units, fresh);
  });
  return {fitted.text, asked.variables, answer_of(asked) + ".", fitted.tokens, {}};
}

const RegisterTask line({.name = "vt",
                         .suite = "ruler",
                         .summary = "the variables of a chain of assignments, in filler",
                         .answer_tokens = 30,
                         .make = make,
                         .score = string_match_all,
                         .settled = all_strings_match});

}  // namespace
}  // namespace scca
