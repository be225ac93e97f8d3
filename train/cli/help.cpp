#include "train/cli/help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "core/numbers.h"
#include "train/cli/flag_values.h"

namespace scca {
namespace {

constexpr size_t kNarrowest = 50, kWidest = 120, kWithoutTerminal = 80;
constexpr size_t kWidestFlag = 26;  // a longer one has a line of its own

const std::vector<std::string>& section_order() {
  using namespace section;
  static const std::vector<std::string> order{kModel,      kData,       kTraining, kLora,    kAttention,
                                              kEvaluation, kGeneration, kOutput,   kMachine, kHelp};
  return order;
}

/// On screen: the later bytes of a UTF-8 character take no column.
size_t columns(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

/// A list of names is one word; one longer than a line is cut behind commas.
std::vector<std::string> cut_to_fit(const std::vector<std::string>& words, size_t room) {
  std::vector<std::string> fitting;
  for (std::string word : words) {
    while (columns(word) > room) {
      const size_t comma = word.rfind(',', room - 1);
      if (comma == std::string::npos) break;
      fitting.push_back(word.substr(0, comma + 1));
      word = word.substr(comma + 1);
    }
    fitting.push_back(word);
  }
  return fitting;
}

/// Words on lines of at most `width`, the first after `first`, the others after `indent` spaces; `joint` ends
/// every line but the last.
std::string wrapped(const std::string& first, const std::vector<std::string>& words, size_t indent,
                    size_t width, const std::string& joint = "") {
  std::string text, line = first;
  bool empty = true;
  for (const std::string& word : words) {
    if (!empty && columns(line) + 1 + columns(word) + columns(joint) > width) {
      text += line + joint + "\n";
      line = std::string(indent, ' ');
      empty = true;
    }
    line += (empty ? "" : " ") + word;
    empty = false;
  }
  return text + line + "\n";
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// A command with its quotes, cut where a shell would cut it.
std::vector<std::string> quoted_words(const std::string& command) {
  std::vector<std::string> words(1);
  char quote = 0;
  for (const char c : command) {
    if (quote == 0 && c == ' ') {
      if (!words.back().empty()) words.emplace_back();
      continue;
    }
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
    words.back() += c;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

/// "" where there is none worth a word: a flag's off, an empty list.
std::string default_of(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  std::string value = option.get_default_str();
  if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
  return value == "{}" ? "" : value;
}

bool takes_several(const CLI::Option& option) {
  return option.get_expected_max() >= CLI::detail::expected_max_vector_size;
}

}  // namespace

void begin_section(CLI::App& app, const char* name) { app.option_defaults()->group(name); }

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  for (const CLI::App* group :
       app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
    for (const CLI::Option* option : options_of(*group))
      if (option != group->get_help_ptr()) options.push_back(option);
  return options;
}

std::string value_name(const CLI::Option& option) {
  std::string name = option.get_type_name();
  if (takes_list(option)) name.resize(name.rfind(','));  // flag_with_value says it, behind the name
  const size_t colon = name.find(':');
  if (colon == std::string::npos) return name;
  name = name.substr(colon + 1, name.find(':', colon + 1) - colon - 1);
  if (!name.starts_with('{')) return name;
  name = name.substr(1, name.find('}') - 1);  // {f32,bf16}
  std::ranges::replace(name, ',', '|');
  return name;
}

std::string flag_with_value(const CLI::Option& option) {
  std::string text;
  if (option.get_positional()) {
    text = option.get_name(true);
  } else {
    for (const std::string& name : option.get_snames()) text += (text.empty() ? "-" : ", -") + name;
    for (const std::string& name : option.get_lnames()) text += (text.empty() ? "--" : ", --") + name;
    if (option.get_type_size() != 0) text += " " + value_name(option);
  }
  if (takes_several(option)) text += takes_list(option) ? ",..." : "...";
  return text;
}

HelpFormatter::HelpFormatter(size_t width, std::function<bool(const CLI::Option*)> required)
    : width_(std::max(width, kNarrowest)), required_(std::move(required)) {}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const {
  std::string text = wrapped("", words_of(app->get_description()), 0, width_);
  text += "\n" + usage(*app, name) + commands(*app) + sections(*app);
  if (app->get_footer().empty()) return text;
  if (!app->get_parent()) return text + "\n" + wrapped("", words_of(app->get_footer()), 0, width_);
  text += "\nExample\n";
  const std::string& examples = app->get_footer();
  for (size_t begin = 0; begin < examples.size();) {
    const size_t end = std::min(examples.find('\n', begin), examples.size());
    text += wrapped("  ", quoted_words(examples.substr(begin, end - begin)), 6, width_, " \\");
    begin = end + 1;
  }
  return text;
}

std::string HelpFormatter::usage(const CLI::App& app, const std::string& name) const {
  std::vector<std::string> words;
  const bool has_commands =
      !app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); }).empty();
  if (!app.get_parent()) {
    words.push_back("COMMAND");
  } else {
    for (const CLI::Option* option : options_of(app))
      if (option->get_positional())
        words.push_back(required_(option) ? flag_with_value(*option) : "[" + flag_with_value(*option) + "]");
    for (const CLI::Option* option : options_of(app))
      if (!option->get_positional() && required_(option)) words.push_back(flag_with_value(*option));
  }
  words.push_back("[FLAGS]");
  const std::string first = "Usage: " + name + " ";
  const size_t indent = std::min(first.size(), width_ / 3);
  std::string text = wrapped(first, words, indent, width_);
  if (app.get_parent() && has_commands) text += "       " + name + " COMMAND [FLAGS]\n";
  return text;
}

std::string HelpFormatter::description(const CLI::Option& option) const {
  std::string text = option.get_description();
  if (required_(&option)) return text + " (required)";
  const std::string standard = default_of(option);
  return standard.empty() ? text : text + " (default: " + standard + ")";
}

std::string format_rows(const std::vector<std::pair<std::string, std::string>>& rows, size_t width) {
  size_t column = 0;
  for (const auto& [left, right] : rows)
    if (columns(left) <= kWidestFlag) column = std::max(column, columns(left));
  column += 4;
  std::string text;
  for (const auto& [left, right] : rows) {
    std::string first = "  " + left;
    if (columns(first) + 2 > column) text += std::exchange(first, "") + "\n";
    first += std::string(column - columns(first), ' ');
    text += wrapped(first, cut_to_fit(words_of(right), width - column), column, width);
  }
  return text;
}

std::string HelpFormatter::sections(const CLI::App& app) const {
  std::vector<std::string> order{"Arguments"};
  order.insert(order.end(), section_order().begin(), section_order().end());
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> found;
  for (const CLI::Option* option : options_of(app)) {
    const std::string name = option->get_positional() ? "Arguments" : option->get_group();
    if (name.empty()) continue;  // hidden
    if (std::ranges::find(order, name) == order.end()) order.push_back(name);
    found[name].push_back({flag_with_value(*option), description(*option)});
  }
  std::string text;
  for (const std::string& name : order)
    if (found.contains(name)) text += "\n" + name + "\n" + format_rows(found[name], width_);
  return text;
}

std::string HelpFormatter::commands(const CLI::App& app) const {
  std::vector<std::pair<std::string, std::string>> list;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App* s) { return !s->get_name().empty(); }))
    list.push_back({sub->get_name(), sub->get_description()});
  return list.empty() ? "" : "\nCommands\n" + format_rows(list, width_);
}

size_t help_width() {
  winsize size{};
  const char* columns = std::getenv("COLUMNS");
  std::optional<uint64_t> width = columns ? parse_whole(columns, 100000) : std::nullopt;
  if (!width &&
      (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 || ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0))
    width = size.ws_col;
  return std::clamp<size_t>(width.value_or(0) > 0 ? *width : kWithoutTerminal, kNarrowest, kWidest);
}

std::vector<std::string> split_command(const std::string& command) {
  std::vector<std::string> words;
  for (const std::string& quoted : quoted_words(command)) {
    std::string& word = words.emplace_back();
    char quote = 0;
    for (const char c : quoted) {
      const bool is_quote = quote == 0 ? c == '"' || c == '\'' : c == quote;
      if (is_quote) quote = quote == 0 ? c : 0;
      if (!is_quote) word += c;
    }
  }
  return words;
}

}  // namespace scca
