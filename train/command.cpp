#include "train/command.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <new>
#include <numeric>
#include <optional>

#include "core/check.h"
#include "train/messages.h"
#include "train/standard_streams.h"

namespace scca {
namespace {

struct Entry {
  std::string name, summary;
  Action (*set_up)(CLI::App&);
};

struct Command {
  Action action;
  std::vector<const CLI::Option*> required;  // flags that are checked when the action runs
};

/// A function's static, so that it is there before the first file registers.
std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

/// "; did you mean X?", or nothing when no known word is near: a third of the letters may differ.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < least) least = distance, best = &candidate;
  }
  return best ? "; did you mean " + *best + "?" : "";
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
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
    if (!subcommands_of(named).empty())
      return concat("unknown command '", argument, "'", did_you_mean(argument, subcommands_of(named)));
    return concat("unexpected argument '", argument, "'");
  }
  return "unexpected arguments";
}

int misuse(const CLI::App& named, const std::string& message) {
  std::cerr << full_name(named) << ": " << message_text(message) << "\n";
  return 2;
}

/// Flags to values. Returns an exit code when there is nothing to run: help, the version, misuse.
std::optional<int> parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForVersion&) {
    std::cout << "scca " SCCA_VERSION "\n";
    return 0;
  } catch (const CLI::Success&) {  // help; the subcommand prints its own
    std::cout << innermost(app).help(innermost(app).get_parent() ? full_name(*innermost(app).get_parent())
                                                                 : std::string());
    return 0;
  } catch (const CLI::ExtrasError&) {
    const CLI::App& named = innermost(app);
    return misuse(named, unexpected(app, named) + "; see " + full_name(named) + " --help");
  } catch (const CLI::RequiredError& error) {
    const CLI::App& named = innermost(app);
    // A flag mistyped and required is reported as the mistake it is, not as missing.
    if (!app.remaining(true).empty())
      return misuse(named, unexpected(app, named) + "; see " + full_name(named) + " --help");
    return misuse(named, concat(error.what(), "; see ", full_name(named), " --help"));
  } catch (const CLI::ParseError& error) {
    const CLI::App& named = innermost(app);
    return misuse(named, concat(error.what(), "; see ", full_name(named), " --help"));
  }
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

void check_finite(const nlohmann::json& value, const std::string& where) {
  if (value.is_number_float() && !std::isfinite(value.get<double>()))
    fail("result", where, " is ", value.get<double>(),
         ", which JSON cannot hold; the figures are not to be used");
  if (value.is_object())
    for (const auto& [key, item] : value.items()) check_finite(item, where + "." + key);
  if (value.is_array())
    for (size_t i = 0; i < value.size(); ++i) check_finite(value[i], concat(where, "[", i, "]"));
}

}  // namespace

RegisterCommand::RegisterCommand(std::string name, std::string summary, Action (*set_up)(CLI::App&)) {
  entries().push_back({std::move(name), std::move(summary), set_up});
}

int run_command_line(int argc, const char* const* argv) {
  const PrintableStream printable_errors(std::cerr);
  CLI::App app(
      "Extends a LLaMA's context: LoRA, interpolated RoPE, and sparse attention (SCCA, SDA and others).",
      "scca");
  app.set_version_flag("--version", "scca " SCCA_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.require_subcommand(1);
  app.footer("scca COMMAND --help tells a command's flags. Exit codes: 0 done, 1 failed, 2 misuse.");
  std::sort(entries().begin(), entries().end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  std::map<const CLI::App*, Command> commands;
  for (const Entry& entry : entries()) {  // sorted: "eval" comes before "eval recall"
    CLI::App* parent = &app;
    std::string name = entry.name;
    if (const size_t space = name.find(' '); space != std::string::npos) {
      parent = app.get_subcommand(name.substr(0, space));
      name = name.substr(space + 1);
      Command& above = commands[parent];
      for (const CLI::Option* option : required_when_named(*parent)) above.required.push_back(option);
    }
    CLI::App* sub = parent->add_subcommand(name, entry.summary);
    commands[sub] = {entry.set_up(*sub), {}};
  }
  try {
    std::optional<int> code = parse(app, argc, argv);
    if (!code) {
      const Command& command = commands.at(&innermost(app));
      check_given(command.required, full_name(innermost(app)));
      code = command.action();
    }
    check_stdout();
    return *code;
  } catch (const UsageError& error) {
    return misuse(innermost(app), error.what());
  } catch (const std::bad_alloc&) {
    std::cerr << full_name(innermost(app))
              << ": out of memory; use a shorter --context, a smaller --batch or --checkpointing on\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << full_name(innermost(app)) << ": " << message_text(error.what()) << "\n";
    return 1;
  }
}

void print_json(const nlohmann::json& object) {
  check_finite(object, "");
  std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace scca
