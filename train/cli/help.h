#pragma once
// --help as people read it: flags in sections, wrapped to the terminal, with their defaults as values and an
// example.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace scca {

/// The sections of a command's help, in this order; sections of a user's own command follow.
namespace section {
inline constexpr const char *kModel = "Model", *kData = "Data", *kTraining = "Training", *kLora = "LoRA",
                            *kAttention = "Attention & RoPE", *kEvaluation = "Evaluation",
                            *kGeneration = "Generation", *kOutput = "Output", *kMachine = "Machine",
                            *kHelp = "Help";
}  // namespace section

/// Flags that are added to `app` from here on stand in this section.
void begin_section(CLI::App& app, const char* name);

/// The options of a command, those in groups of options too.
std::vector<const CLI::Option*> options_of(const CLI::App& app);

/// An app's footer is its example, a command per line.
class HelpFormatter : public CLI::FormatterBase {
 public:
  /// No line is longer than `width` (50 at least). `required` tells of a flag that CLI11 does not know it of.
  explicit HelpFormatter(
      size_t width, std::function<bool(const CLI::Option*)> required = [](const CLI::Option* o) {
        return o->get_required();
      });

  /// `name`: all words of the command, "scca eval recall".
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;

 private:
  std::string usage(const CLI::App& app, const std::string& name) const;
  std::string sections(const CLI::App& app) const;
  std::string commands(const CLI::App& app) const;
  std::string description(const CLI::Option& option) const;

  size_t width_;
  std::function<bool(const CLI::Option*)> required_;
};

/// "TOKENS", "windows|sliding": what stands behind a flag. CLI11 has "TYPE:what the checks say", where the
/// checks say it better.
std::string value_name(const CLI::Option& option);

/// "--data PATH...", "--mode windows|sliding", "-h, --help": a flag with what it takes.
std::string flag_with_value(const CLI::Option& option);

/// Rows of a name and what there is to say of it, wrapped beside each other on lines of at most `width`.
std::string format_rows(const std::vector<std::pair<std::string, std::string>>& rows, size_t width);

/// $COLUMNS, or the terminal's width, or 80 where there is none; 50 to 120.
size_t help_width();

/// The words of a command as a shell splits it: spaces separate, except between quotes.
std::vector<std::string> split_command(const std::string& command);

}  // namespace scca
