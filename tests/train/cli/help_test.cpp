#include "train/cli/help.h"

#include <doctest/doctest.h>

#include <regex>
#include <set>
#include <sstream>

#include "tests/run_scca.h"
#include "train/cli/command.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Every command with its words, scca itself first; those of the tests left out.
void collect(const CLI::App& app, const std::string& name,
             std::vector<std::pair<std::string, const CLI::App*>>& all) {
  all.push_back({name, &app});
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App* s) { return !s->get_name().empty(); }))
    if (!sub->get_name().starts_with("test-")) collect(*sub, name + " " + sub->get_name(), all);
}

std::vector<std::pair<std::string, const CLI::App*>> commands_of(CommandLine& line) {
  std::vector<std::pair<std::string, const CLI::App*>> all;
  collect(line.app(), "scca", all);
  return all;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// As one reads it: without line breaks, indentation and columns.
std::string joined(const std::string& text) {
  const std::string line = std::regex_replace(text, std::regex(R"((\s*\\)?\s*\n\s*)"), " ");
  return std::regex_replace(line, std::regex(" +"), " ");
}

size_t columns(const std::string& line) {
  size_t count = 0;
  for (const char c : line) count += (c & 0xc0) != 0x80;
  return count;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("help: every command's fits its width and says each flag, its default and an example") {
  CommandLine line;
  const auto commands = commands_of(line);
  CHECK(commands.size() >= 21);
  for (const size_t width : {60, 80, 120}) {
    for (const auto& [name, app] : commands) {
      CAPTURE(name);
      CAPTURE(width);
      const std::string help = line.help(*app, width);
      for (const std::string& text : lines_of(help)) CHECK_MESSAGE(columns(text) <= width, text);
      // What CLI11 says by itself: types of the language, checks as they are written in code.
      for (const char* raw :
           {"INT", "FLOAT", "REQUIRED", "TEXT:", "=0", " in [", "[]", "{}", "Excludes", "OPTIONS"})
        CHECK_MESSAGE(!contains(help, raw), raw, " in\n", help);
      const std::string read = joined(help);
      for (const CLI::Option* option : options_of(*app)) {
        CHECK_MESSAGE(contains(read, flag_with_value(*option)), flag_with_value(*option), " in\n", help);
        CHECK_MESSAGE(!option->get_description().empty(), option->get_name());
        if (line.required(*option)) CHECK(contains(read, option->get_description() + " (required)"));
      }
    }
  }
}

TEST_CASE("help: flags stand in the known sections, in their order") {
  const std::vector<std::string> order{"Arguments",          section::kModel,      section::kData,
                                       section::kTraining,   section::kLora,       section::kAttention,
                                       section::kEvaluation, section::kGeneration, section::kOutput,
                                       section::kMachine,    section::kHelp};
  CommandLine line;
  for (const auto& [name, app] : commands_of(line)) {
    CAPTURE(name);
    size_t last = 0;
    std::set<std::string> seen;
    for (const std::string& text : lines_of(line.help(*app, 80))) {
      if (text.empty() || text[0] == ' ' || contains(text, ":")) continue;
      const auto place = std::find(order.begin(), order.end(), text);
      if (place == order.end()) continue;
      CHECK(static_cast<size_t>(place - order.begin()) >= last);
      last = static_cast<size_t>(place - order.begin());
      CHECK(seen.insert(text).second);
    }
    for (const CLI::Option* option : options_of(*app)) {
      if (option->get_positional()) continue;
      CHECK_MESSAGE(std::find(order.begin(), order.end(), option->get_group()) != order.end(),
                    option->get_name(), " stands in ", option->get_group());
    }
  }
}

TEST_CASE("help: defaults are values, and derived ones are said") {
  CommandLine line;
  const auto help_of = [&](const std::string& command) {
    return joined(line.help(*line.app().get_subcommand(command), 80));
  };
  const std::string finetune = help_of("finetune");
  for (const char* part :
       {"--steps N Optimizer steps; may grow when a run is resumed (default: 1000)", "(default: 0.0002)",
        "--schedule constant|cosine The rate after the warm-up (default: constant)", "--context TOKENS",
        "--data PATH...", "(default: what the context needs, and never less than the model has)",
        "--checkpointing on|off", "some of q,k,v,o,gate,up,down (default: q,k,v,o)", "--seed SEED",
        "Usage: scca finetune --model MODEL --data PATH... --context TOKENS"})
    CHECK_MESSAGE(contains(finetune, part), part, " in ", finetune);
  const std::string eval = help_of("eval");  // a command with commands below
  CHECK(contains(eval, "--context TOKENS Tokens of a window (required)"));
  CHECK(contains(eval, "scca eval COMMAND [FLAGS]"));
  CHECK(contains(eval, "passkey Finding a key"));
  CHECK(contains(help_of("patterns"), "Usage: scca patterns [spec]"));
}

TEST_CASE("help: every command's example can be typed") {
  CommandLine look;
  for (const auto& [name, app] : commands_of(look)) {
    if (name == "scca") continue;
    CAPTURE(name);
    const std::vector<std::string> examples = lines_of(app->get_footer());
    CHECK(!examples.empty());
    for (const std::string& example : examples) {
      CAPTURE(example);
      CHECK(example.starts_with(name));
      CHECK(contains(joined(look.help(*app, 60)), example));  // wrapped, it is still what was written
      std::vector<std::string> words = split_command(example);
      std::reverse(words.begin(), words.end());
      words.pop_back();  // "scca"; CLI11 takes the rest from its back
      CommandLine line;
      CHECK_NOTHROW(line.app().parse(words));
      const CLI::App* named = &line.app();
      while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
      for (const CLI::Option* option : options_of(*named))
        CHECK_MESSAGE((!line.required(*option) || option->count() > 0), option->get_name(), " is missing");
    }
  }
}

TEST_CASE("help: a long flag, a narrow line and words between quotes") {
  CLI::App app("What it does", "tool");
  CLI::App* sub = app.add_subcommand("part", "A part of it");
  std::string choice, plain = "x", names = "one-of-them,another-of-them,the-third,and-a-fourth-one";
  sub->add_option("--a-flag-with-a-long-name", choice, "Said on its own line")
      ->check(CLI::IsMember({"first", "second"}));
  sub->add_option("-p,--plain", plain, "Two names")->capture_default_str()->group("Mine");
  sub->add_option("--names", names, "A list")->capture_default_str()->group("Mine");
  sub->footer("tool part --plain 'two words' --a-flag-with-a-long-name first --plain another");
  const std::string help =
      HelpFormatter(10).make_help(sub, "tool part", CLI::AppFormatMode::Normal);  // 50 at least
  CHECK(contains(help, "  --a-flag-with-a-long-name first|second\n"));
  CHECK(contains(help, "\nMine\n  -p, --plain TEXT  Two names (default: x)\n"));
  CHECK(contains(help,
                 " (default:\n                    one-of-them,another-of-them,\n                    "
                 "the-third,and-a-fourth-one)\n"));
  CHECK(contains(help, "  tool part --plain 'two words' \\\n      --a-flag-with-a-long-name first"));
  CHECK(split_command("a 'b c'  \"d\"'e' f\"g h\"") == std::vector<std::string>{"a", "b c", "de", "fg h"});
}

TEST_CASE("help: scca, scca help and scca version as typed") {
  const RunResult alone = run_scca({});
  CHECK(alone.code == 2);
  CHECK(alone.out.empty());
  CHECK(contains(alone.err, "Usage: scca COMMAND"));
  CHECK(contains(alone.err, "  finetune "));
  const RunResult help = run_scca({"help"});
  CHECK(help.code == 0);
  CHECK(help.err.empty());
  CHECK(help.out == alone.err);
  CHECK(run_scca({"--help"}).out == help.out);
  CHECK(run_scca({"help", "eval", "recall"}).out == run_scca({"eval", "recall", "--help"}).out);
  CHECK(run_scca({"help", "finetune"}).out == run_scca({"finetune", "-h"}).out);
  CHECK(run_scca({"help", "help"}).code == 0);
  CHECK(run_scca({"version"}).out == "scca " SCCA_VERSION "\n");
  CHECK(run_scca({"--version"}).out == "scca " SCCA_VERSION "\n");
  for (const auto& [words, expected] :
       {std::pair<std::vector<std::string>, std::string>{
            {"help", "finetnue"},
            "scca help: unknown command 'finetnue'; did you mean finetune?; see scca help\n"},
        {{"help", "eval", "recal"},
         "scca help: unknown command 'recal'; did you mean recall?; see scca help\n"}}) {
    const RunResult result = run_scca(words);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
    CHECK(result.err == expected);
  }
}

TEST_CASE("help: as wide as the terminal, where COLUMNS or the terminal says") {
  const char* const before = std::getenv("COLUMNS");
  const std::string kept = before ? before : "";
  for (const auto& [columns, width] :
       {std::pair<const char*, size_t>{"60", 60}, {"90", 90}, {"7", 50}, {"9999", 120}}) {
    setenv("COLUMNS", columns, 1);
    CHECK(help_width() == width);
    size_t longest = 0;
    for (const std::string& text : lines_of(run_scca({"finetune", "--help"}).out))
      longest = std::max(longest, text.size());
    CHECK(longest <= width);
    CHECK(longest > width - 12);
  }
  for (const char* nonsense : {"", "wide", "-3", "0"}) {
    setenv("COLUMNS", nonsense, 1);
    CHECK(help_width() >= 50);
  }
  unsetenv("COLUMNS");
  if (before) setenv("COLUMNS", kept.c_str(), 1);
}
