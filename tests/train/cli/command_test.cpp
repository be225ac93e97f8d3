#include "train/cli/command.h"

#include <doctest/doctest.h>

#include <iostream>
#include <limits>
#include <new>
#include <sstream>

#include "core/check.h"

using namespace scca;

namespace {

Action set_up(CLI::App& app) {
  auto steps = std::make_shared<int>(1);
  auto failure = std::make_shared<std::string>(), place = std::make_shared<std::string>();
  auto places = std::make_shared<std::vector<std::string>>();
  app.add_option("--steps", *steps, "How many");
  app.add_option("--place", *place, "Where")->type_name("FOLDER");
  app.add_option("--text", *place, "What")->type_name("TEXT");
  app.add_option("--places", *places, "Where else")->type_name("PATH");
  app.add_option("--failure", *failure, "How to end")->required();
  return [steps, failure, place, places]() -> int {
    if (*failure == "usage") fail<UsageError>("--failure: usage is not a failure");
    if (*failure == "error") fail("it broke");
    if (*failure == "setting") fail<UsageError>(Setting("top_p"), " 2: expected less than ", Setting("rank"));
    if (*failure == "advice") fail("it broke; use a shorter ", Setting("context"));
    if (*failure == "memory") throw std::bad_alloc();
    if (*failure == "json") print_json({{"a", {1.0, std::numeric_limits<double>::infinity()}}});
    return *steps;
  };
}
const RegisterCommand line("test-command", "Only in the tests", set_up);

Action set_up_inner(CLI::App& app) {
  auto colour = std::make_shared<std::string>();
  app.add_option("--colour", *colour, "Of the inner command alone")->required();
  return [colour] { return *colour == "red" ? 7 : 8; };
}
const RegisterCommand inner("test-command inner", "A command below a command", set_up_inner);

struct Result {
  int code;
  std::string out, err;
};

Result run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "scca");
  std::ostringstream out, err;
  std::streambuf* const old_out = std::cout.rdbuf(out.rdbuf());
  std::streambuf* const old_err = std::cerr.rdbuf(err.rdbuf());
  const int code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  std::cout.rdbuf(old_out);
  std::cerr.rdbuf(old_err);
  return {code, out.str(), err.str()};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool one_line(const std::string& text) {
  return !text.empty() && text.back() == '\n' && text.find('\n') == text.size() - 1;
}

}  // namespace

TEST_CASE("command: help and version go to stdout and end with 0") {
  const Result help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(contains(help.out, "test-command"));
  CHECK(contains(help.out, "Only in the tests"));
  const Result inner = run({"test-command", "--help"});
  CHECK(inner.code == 0);
  CHECK(contains(inner.out, "--steps"));
  const Result version = run({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out == "scca " SCCA_VERSION "\n");
}

TEST_CASE("command: misuse is one line that names the flag, and 2") {
  struct Case {
    std::vector<const char*> arguments;
    const char* expected;
  };
  for (const Case& c :
       {Case{{"tset-command"}, "unknown command 'tset-command'; did you mean test-command?"},
        Case{{"help", "tset-command"}, "unknown command 'tset-command'; did you mean test-command?"},
        Case{{"--versoin"}, "unknown flag --versoin; did you mean --version?"},
        Case{{"test-command", "--failure", "no", "--stpes", "3"}, "did you mean --steps?"},
        Case{{"test-command", "--failure", "no", "--stpes=3"}, "unknown flag --stpes;"},
        Case{{"test-command", "--faliure", "no"}, "did you mean --failure?"},
        Case{{"test-command", "--failure", "no", "iner"}, "did you mean inner?"},
        Case{{"test-command"}, "--failure is required"},
        Case{{"test-command", "--failure", "no", "--steps", "many"}, "--steps"},
        Case{{"test-command", "--failure", "no", "--place", ""}, "--place is empty, expected FOLDER\n"},
        Case{{"test-command", "--failure", "no", "--place="}, "--place: 1 required FOLDER missing"},
        Case{{"test-command", "--failure", "no", "--places", "a", ""}, "--places is empty, expected PATH\n"},
        Case{{"test-command", "--place", "", "--failure", "no", "inner", "--colour", "red"},
             "--place is empty, expected FOLDER\n"},
        Case{{"test-command", "--failure", "no", "--steps", "3", "--steps", "4"},
             "--steps is given 2 times, expected once;"},
        Case{{"test-command", "--failure", "no", "--text", "caf\xe9"}, ": --text: is not UTF-8 at byte 3"},
        Case{{"test-command", "--failure", "usage"}, "--failure: usage is not"},
        Case{{"test-command", "--failure", "setting"}, ": --top-p 2: expected less than --lora-rank\n"}}) {
    const Result result = run(c.arguments);
    CAPTURE(c.expected);
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
    CHECK(one_line(result.err));
    CHECK(contains(result.err, c.expected));
  }
}

TEST_CASE("command: a failure is one line that names the command, and 1") {
  for (const auto& [failure, expected] : {std::pair{"error", "scca test-command: it broke\n"},
                                          std::pair{"advice", "it broke; use a shorter --context\n"},
                                          std::pair{"memory", "scca test-command: out of memory"},
                                          std::pair{"json", "scca test-command: result.a[1] is inf"}}) {
    const Result result = run({"test-command", "--failure", failure});
    CAPTURE(result.err);
    CHECK(result.code == 1);
    CHECK(one_line(result.err));
    CHECK(contains(result.err, expected));
  }
}

TEST_CASE("command: the action's code is the exit code, flags and inner commands reach it") {
  CHECK(run({"test-command", "--failure", "no", "--steps", "5"}).code == 5);
  // What a command requires it does not require of those below it.
  CHECK(run({"test-command", "inner", "--colour", "red"}).code == 7);
  const Result without = run({"test-command", "inner"});
  CHECK(without.code == 2);
  CHECK(contains(without.err, "scca test-command inner: --colour is required"));
  CHECK(contains(run({"test-command", "--help"}).out, "A command below a command"));
}
