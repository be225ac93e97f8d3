#include "train/cli/flag_values.h"

#include <algorithm>
#include <limits>

#include "core/check.h"
#include "core/numbers.h"

namespace scca {
namespace {

/// Messages stay on one line and short, whatever was given.
std::string found(std::string word) {
  for (char& c : word)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return word.empty() ? "found nothing"
                      : concat("found '", word.substr(0, 40), word.size() > 40 ? "...'" : "'");
}

constexpr const char* kListMark = ",...";  // behind the name of what a list is of

/// What is wrong with the items of `list`; "" when nothing is.
std::string empty_item(const std::string& list, const std::vector<std::string>& items) {
  if (items.size() < 2 || std::ranges::count(items, "") == 0) return "";
  return found(list) + ", with an empty item beside a comma; write it out, or take the comma away";
}

std::string joined(const std::vector<std::string>& items) {
  std::string list;
  for (size_t i = 0; i < items.size(); ++i) list += (i ? "," : "") + items[i];
  return list;
}

/// A flag whose words, checked by list_of(item), are added up to one list; `take` reads its items.
CLI::Option* add_words(CLI::App& app, const std::string& flag, CLI::Validator item,
                       const std::string& description,
                       const std::function<void(const std::vector<std::string>&)>& take) {
  const auto read = [take](const std::vector<std::string>& words) { take(split_list(joined(words))); };
  return app.add_option_function<std::vector<std::string>>(flag, read, description)
      ->transform(list_of(std::move(item)));
}

}  // namespace

CLI::Validator whole_number(int64_t most) {
  const auto check = [most](std::string& word) {
    if (parse_whole(word, static_cast<uint64_t>(most))) return std::string();
    return concat(found(word), ", expected a whole number from 0 to ", most);
  };
  return CLI::Validator(check, "N");
}

CLI::Validator token_count(int64_t most) {
  const auto check = [most](std::string& word) {
    const std::optional<int64_t> tokens = parse_tokens(word, most);
    if (!tokens) {
      return concat(found(word), ", expected a whole number of tokens from 0 to ", most,
                    ", such as 8192 or 8k (k = 1024, m = 1024 x 1024)");
    }
    word = std::to_string(*tokens);
    return std::string();
  };
  return CLI::Validator(check, "TOKENS");
}

CLI::Validator seed_number() {
  const auto check = [](std::string& word) {
    if (parse_whole(word, std::numeric_limits<uint64_t>::max())) return std::string();
    return concat(found(word), ", expected a whole number from 0 to 2^64 - 1");
  };
  return CLI::Validator(check, "SEED");
}

CLI::Validator real_number() {
  const auto check = [](std::string& word) {
    if (parse_real(word)) return std::string();
    return concat(found(word), ", expected a number such as 0.1 or 2e-5");
  };
  return CLI::Validator(check, "X");
}

CLI::Validator any_word(const std::string& name) {
  return CLI::Validator([](std::string&) { return std::string(); }, name);
}

CLI::Validator some_pattern() {
  const auto check = [](std::string& spec) {
    return spec.empty() ? std::string("names no pattern; see scca patterns") : std::string();
  };
  return CLI::Validator(check, "SPEC");
}

CLI::Validator list_of(CLI::Validator item) {
  const std::string name = item.get_description();
  const auto check = [item = std::move(item)](std::string& list) {
    std::vector<std::string> items = split_list(list);
    if (std::string wrong = empty_item(list, items); !wrong.empty()) return wrong;
    for (std::string& word : items)
      if (std::string wrong = item(word); !wrong.empty()) return wrong;
    list = joined(items);
    return std::string();
  };
  return CLI::Validator(check, name + kListMark);
}

CLI::Option* add_list(CLI::App& app, const std::string& flag, std::vector<int64_t>& numbers,
                      CLI::Validator item, const std::string& description) {
  const auto take = [&numbers](const std::vector<std::string>& items) {
    numbers.clear();
    for (const std::string& word : items)
      numbers.push_back(static_cast<int64_t>(*parse_whole(word, std::numeric_limits<int64_t>::max())));
  };
  std::vector<std::string> defaults;
  for (const int64_t number : numbers) defaults.push_back(std::to_string(number));
  return add_words(app, flag, std::move(item), description, take)
      ->type_name("INT")
      ->default_str(joined(defaults));
}

CLI::Option* add_list(CLI::App& app, const std::string& flag, std::vector<std::string>& words,
                      const std::string& name, const std::string& description) {
  return add_words(app, flag, any_word(name), description,
                   [&words](const std::vector<std::string>& items) { words = items; })
      ->default_str(joined(words));
}

bool takes_list(const CLI::Option& option) { return option.get_type_name().ends_with(kListMark); }

std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    items.emplace_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

void check_items(const std::string& flag, const std::string& list, const std::vector<std::string>& items) {
  if (const std::string wrong = empty_item(list, items); !wrong.empty()) fail<UsageError>(flag, ": ", wrong);
}

}  // namespace scca
