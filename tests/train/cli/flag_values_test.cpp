#include "train/cli/flag_values.h"

#include <doctest/doctest.h>

#include "tests/run_scca.h"
#include "train/cli/command.h"
#include "train/cli/help.h"

using namespace scca;
using namespace scca::test;

namespace {

/// CLI11 knows from the variable what a flag reads.
bool is_numeric(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.starts_with("INT") || type.starts_with("UINT") || type.starts_with("FLOAT");
}

/// A flag with a number, and a command line of its command in which all else that is required stands.
struct NumericFlag {
  std::vector<std::string> command;
  std::string name, takes;
  bool takes_list = false;
};

/// The words of the command, and all that it requires but this flag.
std::vector<std::string> command_without(CommandLine& line, const CLI::App& app,
                                         std::vector<std::string> words, const CLI::Option* flag) {
  for (const CLI::Option* option : options_of(app)) {
    if (option == flag || !line.required(*option)) continue;
    if (!option->get_positional()) words.push_back("--" + option->get_lnames().at(0));
    words.push_back(is_numeric(*option) ? "64" : option->check_name("--out") ? "OUT" : "nowhere");
  }
  return words;
}

void collect(CommandLine& line, const CLI::App& app, const std::vector<std::string>& words,
             std::vector<NumericFlag>& all) {
  for (const CLI::Option* option : options_of(app)) {
    if (!is_numeric(*option)) continue;
    const std::string type = option->get_type_name();
    all.push_back({command_without(line, app, words, option), "--" + option->get_lnames().at(0),
                   type.substr(std::min(type.find(':'), type.size())), takes_list(*option)});
    if (takes_list(*option)) all.back().takes.resize(all.back().takes.rfind(','));
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App* s) { return !s->get_name().empty(); })) {
    if (sub->get_name().starts_with("test-")) continue;
    std::vector<std::string> below = words;
    below.push_back(sub->get_name());
    collect(line, *sub, below, all);
  }
}

std::vector<NumericFlag> numeric_flags() {
  CommandLine line;
  std::vector<NumericFlag> all;
  collect(line, line.app(), {}, all);
  return all;
}

/// What no flag takes: not a number, not finite, beyond every bound, more than a number, nothing, another
/// number than it looks like.
const std::vector<std::string> kHostile{"nan", "-nan", "inf",  "-inf", "1e999", "1x",   "1 ",
                                        "",    "0x10", "1,5",  "--",   "8kb",   "1..5", "0b1",
                                        "١",   "1e",   "1\n2", "+1",   "-",     "k",    "1/2"};
/// What no count takes.
const std::vector<std::string> kHostileCounts{"-1",
                                              "99999999999999999999",
                                              "-99999999999999999999",
                                              "9223372036854775807",
                                              "18446744073709551615",
                                              "1e3",
                                              "1.5",
                                              "-8k"};

/// Those that this flag does not take: a list may have commas, a seed 64 bits, and a real number is no count.
std::vector<std::string> hostile_to(const NumericFlag& flag) {
  std::vector<std::string> values = kHostile;
  if (!flag.takes.starts_with(":X"))
    values.insert(values.end(), kHostileCounts.begin(), kHostileCounts.end());
  if (flag.takes_list) std::erase(values, "1,5");
  if (flag.takes == ":SEED")
    std::erase_if(values, [](const std::string& v) { return v.starts_with("922") || v.starts_with("184"); });
  return values;
}

struct Parsed {
  std::string error;
};

Parsed parse(const NumericFlag& flag, const std::string& value) {
  std::vector<std::string> words = flag.command;
  words.push_back(flag.name + "=" + value);
  std::reverse(words.begin(), words.end());
  CommandLine line;
  try {
    line.app().parse(words);
    return {};
  } catch (const CLI::ParseError& error) {
    return {error.what()};
  }
}

}  // namespace

TEST_CASE("flags: every number of every command is read strictly") {
  const std::vector<NumericFlag> flags = numeric_flags();
  CHECK(flags.size() > 90);
  for (const NumericFlag& flag : flags) {
    CAPTURE(flag.command[0]);
    CAPTURE(flag.name);
    const bool known = flag.takes == ":N" || flag.takes == ":TOKENS" || flag.takes == ":SEED" ||
                       flag.takes.starts_with(":X");
    CHECK_MESSAGE(known, "takes '", flag.takes, "': give it one of train/cli/flag_values.h by ->transform()");
    for (const std::string& value : hostile_to(flag))
      CHECK_MESSAGE(parse(flag, value).error.starts_with(flag.name), flag.name, "=", value);
    CHECK_MESSAGE(parse(flag, "3").error == "", flag.name);
    CHECK_MESSAGE((parse(flag, "2k").error == "") == (flag.takes == ":TOKENS"), flag.name, " 2k");
  }
}

TEST_CASE("flags: the program refuses a wrong number in one line and makes nothing") {
  const std::vector<NumericFlag> flags = numeric_flags();
  size_t next = 0;
  for (const NumericFlag& flag : flags) {
    const TemporaryFolder folder;
    const std::string out = (folder / "out").string();
    std::vector<std::string> words = flag.command;
    for (std::string& word : words)
      if (word == "OUT") word = out;
    const std::vector<std::string> values = hostile_to(flag);
    words.push_back(flag.name + "=" + values[next++ % values.size()]);
    const RunResult result = run_scca(words);
    CAPTURE(words[0]);
    CAPTURE(words.back());
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.one_error_line());
    CHECK(result.err.find(flag.name) != std::string::npos);
    CHECK(!std::filesystem::exists(out));
  }
}

TEST_CASE("flags: what a value is told when it is wrong") {
  const auto error = [](CLI::Validator validator, std::string word) { return validator(word); };
  CHECK(error(whole_number(), "many") == "found 'many', expected a whole number from 0 to 2147483647");
  CHECK(error(whole_number(9), "10") == "found '10', expected a whole number from 0 to 9");
  CHECK(error(whole_number(), "") == "found nothing, expected a whole number from 0 to 2147483647");
  CHECK(error(token_count(), "8kb") ==
        "found '8kb', expected a whole number of tokens from 0 to 16777216, such as 8192 or 8k (k = 1024, m "
        "= 1024 x "
        "1024)");
  CHECK(error(seed_number(), "-1") == "found '-1', expected a whole number from 0 to 2^64 - 1");
  CHECK(error(real_number(), "nan") == "found 'nan', expected a number such as 0.1 or 2e-5");
  CHECK(error(whole_number(), std::string(1000, '7')).size() < 120);
  std::string word = "1.5k";
  CHECK(token_count()(word) == "");
  CHECK(word == "1536");
}

TEST_CASE("flags: a list is split at every comma") {
  using Items = std::vector<std::string>;
  CHECK(split_list("embed,norm") == Items{"embed", "norm"});
  CHECK(split_list("q") == Items{"q"});
  CHECK(split_list("") == Items{""});
  CHECK(split_list(",a,,b") == Items{"", "a", "", "b"});
}

TEST_CASE("flags: a list of numbers or words, in words and flags as they come") {
  CLI::App app;
  std::vector<int64_t> numbers{7, 8};
  std::vector<std::string> words;
  const CLI::Option* option = add_list(app, "--lengths", numbers, token_count(), "Lengths");
  add_list(app, "--tasks", words, "TASK", "Tasks");
  CHECK(flag_with_value(*option) == "--lengths TOKENS,...");
  CHECK(option->get_default_str() == "7,8");
  app.parse(std::vector<std::string>{"b", "a,a", "--tasks", "4k", "--lengths", "3", "1k,2", "--lengths"});
  CHECK(numbers == std::vector<int64_t>{1024, 2, 3, 4096});
  CHECK(words == std::vector<std::string>{"a", "a", "b"});
}

TEST_CASE("flags: a list without one of its items is refused by every flag that takes one") {
  CommandLine line;
  std::vector<NumericFlag> flags;
  const std::function<void(const CLI::App&, const std::vector<std::string>&)> collect_lists =
      [&](const CLI::App& app, const std::vector<std::string>& words) {
        for (const CLI::Option* option : options_of(app))
          if (takes_list(*option))
            flags.push_back(
                {command_without(line, app, words, option), "--" + option->get_lnames().at(0), {}});
        for (const CLI::App* sub :
             app.get_subcommands([](const CLI::App* s) { return !s->get_name().empty(); })) {
          std::vector<std::string> below = words;
          below.push_back(sub->get_name());
          collect_lists(*sub, below);
        }
      };
  collect_lists(line.app(), {});
  CHECK(flags.size() >= 13);
  for (const NumericFlag& flag : flags) {
    for (const char* list : {"1,,2", ",1", "1,", ","}) {
      CAPTURE(flag.name);
      const std::string error = parse(flag, list).error;
      CHECK(error == concat(flag.name, ": found '", list,
                            "', with an empty item beside a comma; write it out, or take the comma away"));
    }
  }
  const RunResult result = run_scca({"eval", "passkey", "--model", "nowhere", "--lengths", "512,,1024"});
  CHECK(result.code == 2);
  CHECK(
      result.err ==
      "scca eval passkey: --lengths: found '512,,1024', with an empty item beside a comma; write it out, or "
      "take the comma away; see scca eval passkey --help\n");
}
