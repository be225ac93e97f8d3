#include "train/cli/command.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <new>
#include <optional>

#include "core/check.h"
#include "core/spelling.h"
#include "train/cli/help.h"
#include "train/cli/standard_streams.h"
#include "train/cli/threads_flag.h"
#include "train/data/documents.h"
#include "train/report/messages.h"

namespace scca {
namespace {

struct Entry {
  std::string name, summary;
  Action (*set_up)(CLI::App&);
  std::string example;
};

/// A function's static, so that it is there before the first file registers.
std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

/// "; did you mean X?", or nothing when no known word is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = nearest_word(word, known);
  return nearest ? concat("; did you mean ", *nearest, "?") : "";
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : options_of(app))
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App* s) { return !s->get_name().empty(); }))
    names.push_back(sub->get_name());
  return names;
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  return concat("unknown command '", word, "'", did_you_mean(word, subcommands_of(app)));
}

/// The innermost subcommand that was named.
const CLI::App& innermost(const CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.front());
}

/// "scca eval recall"
std::string full_name(const CLI::App& app) {
  return app.get_parent() ? full_name(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

/// The line for arguments that CLI11 could not place: an unknown flag, or an unknown subcommand.
std::string unexpected(const CLI::App& app, const CLI::App& named) {
  for (std::string argument : app.remaining(true)) {
    if (argument.rfind("-", 0) == 0) {
      argument = argument.substr(0, argument.find('='));
      return concat("unknown flag ", argument, did_you_mean(argument, flags_of(named)));
    }
    if (!subcommands_of(named).empty()) return unknown_command(named, argument);
    return concat("unexpected argument '", argument, "'");
  }
  return "unexpected arguments";
}

int failure(const CLI::App& named, const std::string& message) {
  std::cerr << full_name(named) << ": " << message_text(message) << "\n";
  return 1;
}

int misuse(const CLI::App& named, const std::string& message) {
  failure(named, message);
  return 2;
}

/// A command with commands of its own asks for its required flags only when it is itself what was named.
std::vector<const CLI::Option*> required_when_named(CLI::App& app) {
  std::vector<const CLI::Option*> required;
  for (CLI::Option* option : app.get_options())
    if (option->get_required()) required.push_back(option->required(false));
  return required;
}

void check_given(const std::vector<const CLI::Option*>& required, const std::string& command) {
  for (const CLI::Option* option : required)
    if (option->count() == 0) fail<UsageError>(option->get_name(), " is required; see ", command, " --help");
}

/// A text is UTF-8, as one from a file is. No other value but a list of ids may be empty, which is what a
/// shell variable that is not set leaves: `--out "$OUT"`.
void check_value(const CLI::Option& option) {
  const std::string what = value_name(option);
  for (const std::string& value : option.results()) {
    const size_t invalid = what == "TEXT" ? first_invalid_utf8(value) : value.npos;
    if (invalid != value.npos) fail<UsageError>(option.get_name(), ": is not UTF-8 at byte ", invalid);
    if (what != "TEXT" && value.empty() && what != "IDS" && option.get_type_size() != 0)
      fail<UsageError>(option.get_name(), " is empty, expected ", what);
  }
}

void check_values(const CLI::App& named) {
  for (const CLI::App* app = &named; app; app = app->get_parent())
    for (const CLI::Option* option : options_of(*app)) check_value(*option);
}

void check_finite(const nlohmann::json& value, const std::string& where) {
  if (value.is_number_float() && !std::isfinite(value.get<double>()))
    fail("result", where, " is ", value.get<double>(),
         ", which JSON cannot hold; the figures are not to be used");
  if (value.is_object())
    for (const auto& [key, item] : value.items()) check_finite(item, where + "." + key);
  if (value.is_array())
    for (size_t i = 0; i < value.size(); ++i) check_finite(value[i], concat(where, "[", i, "]"));
}

/// CLI11's message with the values' names as help has them: "--lr: 1 required X missing". Of a flag that
/// stands twice in a line of our own.
std::string parse_error_text(const CLI::App& named, const CLI::ParseError& error) {
  std::string message = error.what();
  static const std::string twice = ": At Most 1 required but received ";
  if (const size_t at = message.find(twice); at != message.npos)
    return concat(message.substr(0, at), " is given ", message.substr(at + twice.size()),
                  " times, expected once");
  for (const CLI::Option* option : options_of(named)) {
    const std::string type = option->get_type_name();
    const size_t at = type.empty() ? message.npos : message.find(type);
    if (at != message.npos && message.starts_with(option->get_name()))
      message.replace(at, type.size(), value_name(*option));
  }
  return message;
}

}  // namespace

RegisterCommand::RegisterCommand(std::string name, std::string summary, Action (*set_up)(CLI::App&),
                                 std::string example) {
  entries().push_back({std::move(name), std::move(summary), set_up, std::move(example)});
}

CommandLine::CommandLine()
    : app_("Extends a LLaMA's context: LoRA, interpolated RoPE, and sparse attention (SCCA, SDA and others).",
           "scca") {
  app_.set_version_flag("--version", "scca " SCCA_VERSION, "Print the version")->group(section::kHelp);
  app_.set_help_flag("-h,--help", "Print this help")->group(section::kHelp);
  app_.require_subcommand(1);
  app_.footer(
      "scca help COMMAND tells a command's flags. Exit codes: 0 done, 1 failed, 2 misuse. A number of "
      "tokens may be written 8k (8192) or 1m (1048576).");
  std::ranges::sort(entries(), {}, &Entry::name);
  add_commands();
  add_help_command();
}

void CommandLine::add_commands() {
  for (const Entry& entry : entries()) {  // sorted: "eval" comes before "eval recall"
    CLI::App* parent = &app_;
    std::string name = entry.name;
    if (const size_t space = name.find(' '); space != std::string::npos) {
      parent = app_.get_subcommand(name.substr(0, space));
      name = name.substr(space + 1);
      Command& above = commands_[parent];
      for (const CLI::Option* option : required_when_named(*parent)) above.required.push_back(option);
    }
    CLI::App* sub = parent->add_subcommand(name, entry.summary);
    sub->get_help_ptr()->group(section::kHelp);
    sub->footer(entry.example);
    commands_[sub] = {entry.set_up(*sub), {}};
  }
}

/// scca help eval recall: the same as scca eval recall --help.
void CommandLine::add_help_command() {
  CLI::App* sub = app_.add_subcommand("help", "Print this help, or a command's");
  sub->get_help_ptr()->group(section::kHelp);
  sub->footer("scca help eval recall");
  auto words = std::make_shared<std::vector<std::string>>();
  sub->add_option("command", *words, "Which");
  commands_[sub] = {[this, words] { return print_help(*words); }, {}};
}

int CommandLine::print_help(const std::vector<std::string>& words) const {
  const CLI::App* command = &app_;
  for (const std::string& word : words) {
    const auto named = command->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
    if (named.empty()) fail<UsageError>(unknown_command(*command, word), "; see scca help");
    command = named.front();
  }
  std::cout << help(*command, help_width());
  return 0;
}

bool CommandLine::required(const CLI::Option& option) const {
  return option.get_required() || std::ranges::any_of(commands_, [&](const auto& command) {
           return std::ranges::count(command.second.required, &option) > 0;
         });
}

std::string CommandLine::help(const CLI::App& command, size_t width) const {
  const HelpFormatter formatter(width, [this](const CLI::Option* option) { return required(*option); });
  return formatter.make_help(&command, full_name(command), CLI::AppFormatMode::Normal);
}

/// Flags to values. Returns an exit code when there is nothing to run: help, the version, misuse.
std::optional<int> CommandLine::parse(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForVersion&) {
    std::cout << app_.version() << "\n";
    return 0;
  } catch (const CLI::Success&) {  // help
    std::cout << help(innermost(app_), help_width());
    return 0;
  } catch (const CLI::ExtrasError&) {
    const CLI::App& named = innermost(app_);
    return misuse(named, unexpected(app_, named) + "; see " + full_name(named) + " --help");
  } catch (const CLI::ParseError& error) {
    const CLI::App& named = innermost(app_);
    // A flag mistyped and required is reported as the mistake it is, not as missing.
    const bool mistyped = dynamic_cast<const CLI::RequiredError*>(&error) && !app_.remaining(true).empty();
    return misuse(named, concat(mistyped ? unexpected(app_, named) : parse_error_text(named, error), "; see ",
                                full_name(named), " --help"));
  }
}

int CommandLine::run(int argc, const char* const* argv) {
  if (argc < 2) {  // whoever forgot the command needs the list; a script needs to hear of it
    std::cerr << help(app_, help_width());
    return 2;
  }
  try {
    std::optional<int> code = parse(argc, argv);
    if (!code) {
      const Command& command = commands_.at(&innermost(app_));
      check_given(command.required, full_name(innermost(app_)));
      check_values(innermost(app_));
      obey_threads_flag(innermost(app_));
      code = command.action();
    }
    check_stdout();
    return *code;
  } catch (const UsageError& error) {
    return misuse(innermost(app_), with_flags(error.message));
  } catch (const std::bad_alloc&) {
    return failure(innermost(app_),
                   "out of memory; use a shorter --context, a smaller --batch or --checkpointing on");
  } catch (const Error& error) {
    return failure(innermost(app_), with_flags(error.message));
  } catch (const std::exception& error) {
    return failure(innermost(app_), error.what());
  }
}

int run_command_line(int argc, const char* const* argv) {
  const PrintableStream printable_errors(std::cerr);
  return CommandLine().run(argc, argv);
}

void print_json(const nlohmann::json& object) {
  check_finite(object, "");
  std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace scca
