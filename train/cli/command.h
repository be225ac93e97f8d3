#pragma once
// The frame of the command line. Each subcommand is one file in train/commands that registers itself; main
// knows none by name. Exit codes: 0 done, 1 failed, 2 misuse (a flag or a spec that has no meaning). Figures
// go to stdout, everything else to stderr.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// What a subcommand does once its flags are read; returns the exit code.
using Action = std::function<int()>;

/// A subcommand's setup adds its flags to `app` and returns what is to be done with them. Flags live in a
/// shared_ptr that the action holds:
///
///   Action set_up(CLI::App& app) {
///     auto flags = std::make_shared<Flags>();
///     app.add_option("--steps", flags->steps, "Optimizer steps")->capture_default_str();
///     return [flags] { return run(*flags); };
///   }
///   const RegisterCommand line("pretrain", "Train all weights from scratch", set_up,
///                              "scca pretrain --model-config config.json --out runs/base");
///
/// A name of two words is a command below another one: "eval recall" belongs to "eval". The example, a
/// command per line, ends the help. A flag with a number takes it by one of train/cli/flag_values.h;
/// train/cli/help.h has the sections.
struct RegisterCommand {
  RegisterCommand(std::string name, std::string summary, Action (*set_up)(CLI::App&),
                  std::string example = "");
};

/// All registered commands as CLI11 has them. To be run once; or to be looked at, as tests do.
class CommandLine {
 public:
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CLI::App& app() { return app_; }
  /// A flag that its command needs. (CLI11 is not told where the command has commands of its own.)
  bool required(const CLI::Option& option) const;
  /// The help of a command, or of all for app(), on lines of at most `width`.
  std::string help(const CLI::App& command, size_t width) const;
  int run(int argc, const char* const* argv);

 private:
  struct Command {
    Action action;
    std::vector<const CLI::Option*> required;  // flags that are checked when the action runs
  };

  void add_commands();
  void add_help_command();
  std::optional<int> parse(int argc, const char* const* argv);
  int print_help(const std::vector<std::string>& words) const;

  CLI::App app_;
  std::map<const CLI::App*, Command> commands_;
};

/// What main does: parses, runs one subcommand, and turns every error into one clear line and an exit code.
/// What a command printed on stdout (by std::cout or stdio) and could not be written is such an error: no
/// command looks.
int run_command_line(int argc, const char* const* argv);

/// One JSON object on stdout. Bytes that are not UTF-8 become U+FFFD. Throws Error naming the first number
/// that is not finite (JSON has none).
void print_json(const nlohmann::json& object);

}  // namespace scca
