// Every task's prompts: fitted, repeatable, and answered by a reader that knows the text alone.
#include "train/evaluation/tasks/task.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "models/tokenizer/tokenizer.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::string kRoot = SCCA_SOURCE_DIR;

const Tokenizer& tokenizer() {
  static const Tokenizer demo(kRoot + "/train/demo/base");
  return demo;
}

int64_t tokens_of(std::string_view text) { return std::ssize(tokenizer().encode(text)); }

TaskPrompt prompt_of(const std::string& task, const TaskRequest& request) {
  return make_prompt(find_task(task, "test"), tokens_of, request);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string captured(const std::string& text, const std::string& pattern) {
  std::smatch match;
  REQUIRE(std::regex_search(text, match, std::regex(pattern)));
  return match[1];
}

/// The value of the key that the last line asks for.
std::vector<std::string> solve_needle(const std::string& prompt) {
  const std::string key = captured(lines_of(prompt).back(), "^What is the special magic \\w+ for (\\S+) ");
  std::vector<std::string> found;
  for (const std::string& line : lines_of(prompt)) {
    const std::string before = " for " + key + " is: ";
    if (const size_t at = line.find(before); at != std::string::npos)
      found.push_back(line.substr(at + before.size(), line.size() - at - before.size() - 1));
  }
  return found;
}

/// Follows assignments from the value asked for, in the order of the text.
std::vector<std::string> solve_chain(const std::string& prompt) {
  const std::string value = captured(lines_of(prompt).back(), "assigned the value (\\d+) in");
  std::vector<std::string> known;
  for (const std::string& line : lines_of(prompt)) {
    std::smatch match;
    if (!std::regex_match(line, match, std::regex("VAR (\\w+) = (?:VAR )?(\\w+)"))) continue;
    if (match[2] == value || std::ranges::find(known, match[2].str()) != known.end())
      known.push_back(match[1]);
  }
  return known;
}

/// The `most` commonest words of a text, dots and the numbers of a list apart. They must be well defined.
std::set<std::string> commonest(const std::string& text, size_t most) {
  std::map<std::string, int> counts;
  std::istringstream in(text);
  for (std::string word; in >> word;)
    if (word.find('.') == std::string::npos) ++counts[word];
  std::vector<std::pair<int, std::string>> ranked;
  for (const auto& [word, count] : counts) ranked.emplace_back(count, word);
  std::ranges::sort(ranked, std::greater<>());
  REQUIRE(ranked.size() > most);
  CHECK(ranked[most - 1].first > ranked[most].first);
  std::set<std::string> words;
  for (size_t i = 0; i < most; ++i) words.insert(ranked[i].second);
  return words;
}

std::set<std::string> solve_common(const std::string& prompt) {
  const std::vector<std::string> lines = lines_of(prompt);
  return commonest(lines.at(lines.size() - 2), 10);
}

std::set<std::string> solve_frequent(const std::string& prompt) {
  const std::string first = lines_of(prompt).at(0), before = "appeared coded words. ";
  return commonest(first.substr(first.find(before) + before.size()), 3);
}

std::set<std::string> as_set(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

std::set<std::string> solve(const std::string& task, const std::string& prompt) {
  if (task == "passkey") return {captured(prompt, "The pass key is (\\d{5})\\. Remember it\\.")};
  if (task == "vt") return as_set(solve_chain(prompt));
  if (task == "cwe") return solve_common(prompt);
  if (task == "fwe") return solve_frequent(prompt);
  return as_set(solve_needle(prompt));
}

/// At which of the filler's lines, in percent, the line with `text` stands.
double depth_of(const std::string& prompt, const std::string& text) {
  const std::vector<std::string> lines = lines_of(prompt);
  const auto at = std::ranges::find_if(
      lines, [&](const std::string& line) { return line.find(text) != std::string::npos; });
  REQUIRE(at != lines.end());
  const double filler = static_cast<double>(lines.size()) - 3;  // header, needle, question
  return 100 * static_cast<double>(at - lines.begin() - 1) / filler;
}

// Shapes that RULER's and landmark attention's published prompts have.
const std::map<std::string, size_t> kAnswers{{"passkey", 1}, {"niah_single_1", 1}, {"niah_multikey_2", 1},
                                             {"vt", 5},      {"cwe", 10},          {"niah_multikey_3", 1},
                                             {"fwe", 3}};

}  // namespace

TEST_CASE("tasks: those there are") {
  for (const auto& [name, answers] : kAnswers) CHECK(find_task(name, "test").name == name);
  CHECK(registered_tasks().size() == kAnswers.size());
  CHECK(error_of([] {
          find_task("niah_singel_1", "--tasks");
        }).starts_with("--tasks: unknown task 'niah_singel_1', did you mean 'niah_single_1'? Known tasks: "));
}

TEST_CASE("tasks: a reader of the text alone finds the answers, at any length") {
  for (const auto& [name, answers] : kAnswers) {
    for (const int64_t tokens : {1211, 1999, 5003}) {
      for (int64_t index = 0; index < 2; ++index) {
        CAPTURE(name);
        CAPTURE(tokens);
        const TaskPrompt prompt = prompt_of(name, {.tokens = tokens, .seed = 3, .index = index});
        CHECK(prompt.answers.size() == answers);
        CHECK(as_set(prompt.answers) == solve(name, prompt.prompt));
        CHECK(as_set(prompt.answers).size() == answers);
        const Task& task = find_task(name, "test");
        CHECK(task.score(prompt.continuation, prompt.answers) == 1);
        CHECK(task.settled(prompt.continuation, prompt.answers));
        CHECK(task.score("", prompt.answers) == 0);
      }
    }
  }
}

TEST_CASE("tasks: the chain's order is the text's, and its worked example is another's") {
  const TaskPrompt prompt = prompt_of("vt", {.tokens = 1500});
  CHECK(prompt.answers == solve_chain(prompt.prompt));
  const std::string example = prompt.prompt.substr(0, prompt.prompt.rfind("Memorize and track"));
  const std::string answered = example.substr(0, example.find_last_not_of('\n') + 1);
  const std::string last = lines_of(answered).back();
  std::string expected;
  for (const std::string& name : solve_chain(answered)) expected += " " + name;
  CHECK(last.ends_with("they are:" + expected));
}

TEST_CASE("tasks: the worked example of common words is answered rightly") {
  const std::vector<std::string> lines = lines_of(prompt_of("cwe", {.tokens = 1500}).prompt);
  std::set<std::string> answered;
  std::istringstream in(lines.at(2).substr(lines.at(2).find("list are:") + 9));
  for (std::string word; in >> word;)
    if (word.find('.') == std::string::npos) answered.insert(word);
  CHECK(commonest(lines.at(1), 10) == answered);
}

TEST_CASE("tasks: common words appear 6 times in short texts and 30 times where that fits") {
  const auto counts = [](int64_t tokens) {
    const TaskPrompt prompt = prompt_of("cwe", {.tokens = tokens});
    std::set<std::ptrdiff_t> found;
    const std::string list = lines_of(prompt.prompt).at(4);
    for (const std::string& word : prompt.answers) {
      const std::regex whole("\\b" + word + "\\b");
      found.insert(std::distance(std::sregex_iterator(list.begin(), list.end(), whole), {}));
    }
    return found;
  };
  CHECK(counts(2000) == std::set<std::ptrdiff_t>{6});
  CHECK(counts(4096) == std::set<std::ptrdiff_t>{6});  // this tokenizer leaves no room for more
  CHECK(counts(8192) == std::set<std::ptrdiff_t>{30});
}

TEST_CASE("tasks: a prompt is as long as one more unit allows, and says its tokens") {
  for (const auto& [name, answers] : kAnswers) {
    const int64_t room = find_task(name, "test").answer_tokens;
    for (const int64_t tokens : {1177, 1178, 1203, 4100}) {
      CAPTURE(name);
      CAPTURE(tokens);
      const TaskPrompt prompt = prompt_of(name, {.tokens = tokens, .seed = 1});
      CHECK(prompt.prompt_tokens == tokens_of(prompt.prompt));
      CHECK(prompt.prompt_tokens + room <= tokens);
      // a unit: a line of filler (25 tokens), a needle, a word (cwe, fwe: of few tokens, shuffled anew)
      CHECK(prompt.prompt_tokens + room > tokens - (name == "niah_multikey_3" ? 110 : 45));
    }
  }
}

TEST_CASE("tasks: what is asked for stands at the depth asked for") {
  for (const std::string name : {"passkey", "niah_single_1", "niah_multikey_2", "niah_multikey_3"}) {
    for (const int64_t depth : {0, 1, 33, 50, 99, 100}) {
      CAPTURE(name);
      CAPTURE(depth);
      const TaskPrompt prompt = prompt_of(name, {.tokens = 1333, .depth = depth, .index = depth});
      CHECK(prompt.depth == depth);
      const double unit = 100 / (static_cast<double>(lines_of(prompt.prompt).size()) - 3);
      CHECK(std::abs(depth_of(prompt.prompt, prompt.answers[0]) - static_cast<double>(depth)) <=
            0.5 * unit + 1e-9);
    }
  }
}

TEST_CASE("tasks: depths that are not asked for are drawn, and spread") {
  for (const std::string name : {"passkey", "niah_single_1"}) {
    std::vector<int64_t> depths;
    for (int64_t index = 0; index < 60; ++index)
      depths.push_back(*prompt_of(name, {.tokens = 400, .index = index}).depth);
    CHECK(std::ranges::min(depths) < 15);
    CHECK(std::ranges::max(depths) > 85);
  }
  CHECK(!prompt_of("vt", {.tokens = 1200}).depth);
}

TEST_CASE("tasks: the same request makes the same prompt, and any other another") {
  for (const auto& [name, answers] : kAnswers) {
    CAPTURE(name);
    const TaskRequest request{.tokens = 1200, .seed = 5, .index = 7};
    const TaskPrompt prompt = prompt_of(name, request);
    CHECK(prompt_of(name, request).prompt == prompt.prompt);
    std::vector<TaskRequest> others(3, request);
    others[0].seed = 6, others[1].index = 8, others[2].tokens = 1201;
    for (const TaskRequest& other : others) CHECK(prompt_of(name, other).answers != prompt.answers);
  }
}

TEST_CASE("tasks: an answer's tokens continue the prompt's") {
  const Tokenizer stories(kRoot + "/tests/data/stories260K");
  for (const Tokenizer* with : {&tokenizer(), &stories}) {
    for (const auto& [name, answers] : kAnswers) {
      for (int64_t index = 0; index < 5; ++index) {
        CAPTURE(name);
        const TaskPrompt prompt = prompt_of(name, {.tokens = 1300, .index = index});
        const std::vector<int32_t> asked = with->encode(prompt.prompt),
                                   all = with->encode(prompt.prompt + prompt.continuation);
        REQUIRE(all.size() > asked.size());
        CHECK(std::equal(asked.begin(), asked.end(), all.begin()));
        if (with == &tokenizer()) CHECK(std::ssize(all) <= 1300);  // there is room for the answer
      }
    }
  }
}

TEST_CASE("tasks: RULER's score is the share of answers that occur, passkey's the first number") {
  CHECK(string_match_all("It is ABCDE, and fghij too", {"abcde", "FGHIJ", "klmno", "is"}) == 0.75);
  CHECK(string_match_all("1234567", {"123456"}) == 1);
  CHECK(!all_strings_match("one", {"one", "two"}));
  CHECK(first_digits_match(" 12345.", {"12345"}) == 1);
  CHECK(first_digits_match("is: 12345", {"12345"}) == 1);
  CHECK(first_digits_match(" 123456", {"12345"}) == 0);
  CHECK(first_digits_match(" 1 12345", {"12345"}) == 0);
  CHECK(first_digits_match("none", {"12345"}) == 0);
  CHECK(!first_digits_ended(" 12345", {"12345"}));
  CHECK(first_digits_ended(" 12345 ", {"12345"}));
  CHECK(!first_digits_ended("none", {"12345"}));
}

TEST_CASE("tasks: what cannot be made is said") {
  const std::string error = error_of([] { prompt_of("passkey", {.tokens = 60}); });
  CAPTURE(error);
  CHECK(error.starts_with("passkey: a length of 60 is too short; the shortest prompt takes "));
  const int64_t least = std::stoll(captured(error, "give (\\d+) or more"));
  // the length decides the key, and its tokens, too: the next one may need a token more
  CHECK_NOTHROW(prompt_of("passkey", {.tokens = least + 3}));
  CHECK_THROWS_AS(prompt_of("passkey", {.tokens = least - 3}), UsageError);
  CHECK_THROWS_AS(prompt_of("passkey", {.tokens = 500, .depth = 101}), UsageError);
  CHECK_THROWS_AS(prompt_of("passkey", {.tokens = 500, .index = -1}), UsageError);
  CHECK(error_of([] { prompt_of("fwe", {.tokens = 500, .depth = 50}); }) ==
        "fwe: has no depth; its answer is spread over the whole text");
}
