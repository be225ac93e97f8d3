#include "train/cli/setting_table.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/check.h"
#include "core/joined.h"
#include "core/overloaded.h"
#include "nn/json.h"
#include "train/cli/flag_values.h"

namespace scca {
namespace {

/// A list in one word.
template <class Items>
CLI::Option* list_option(CLI::App& app, const SettingRow& s, Items* member) {
  const auto assign = [member, split = s.split](const std::string& word) {
    const std::vector<std::string> items = split(word);
    *member = Items(items.begin(), items.end());
  };
  return app.add_option_function<std::string>(s.flag(), assign, s.help)->default_str(s.shown);
}

/// The flag as CLI11 binds it to the member's type; nullptr for a key that is no setting.
CLI::Option* option_for(CLI::App& app, const SettingRow& s) {
  const auto plain = [&](auto* member) {
    return app.add_option(s.flag(), *member, s.help)->capture_default_str();
  };
  return std::visit(
      Overloaded{
          [](std::monostate) -> CLI::Option* { return nullptr; },
          [&](bool* member) { return app.add_flag(s.flag(), *member, s.help); },
          [&](std::optional<double>* member) { return app.add_option(s.flag(), *member, s.help); },
          [&](std::vector<std::string>* member) {
            return s.split ? list_option(app, s, member) : plain(member);
          },
          [&](std::set<std::string>* member) { return list_option(app, s, member); },
          [&](std::vector<int64_t>* member) { return add_list(app, s.flag(), *member, *s.takes, s.help); },
          plain},
      s.member);
}

/// JSON that is of the kind of the member, to the member.
class FromJson {
 public:
  FromJson(const SettingRow& setting, const nlohmann::json& value) : setting_(setting), value_(value) {}

  void operator()(std::monostate) const {}
  void operator()(bool* member) const {
    need(value_.is_boolean(), "true or false");
    *member = value_.get<bool>();
  }
  void operator()(int64_t* member) const { *member = whole(value_).get<int64_t>(); }
  void operator()(uint64_t* member) const { *member = whole(value_).get<uint64_t>(); }
  void operator()(double* member) const {
    need(value_.is_number(), "a number");
    check_word(value_.dump());
    *member = value_.get<double>();
  }
  void operator()(std::optional<double>* member) const {
    member->reset();
    if (value_ == 0) return;  // as to_json writes one that is not given
    operator()(&member->emplace());
  }
  void operator()(std::string* member) const {
    need(value_.is_string(), "a string");
    check_word(value_.get<std::string>());
    *member = value_.get<std::string>();
  }
  void operator()(std::vector<int64_t>* member) const {
    need(value_.is_array(), "a list of numbers");
    member->clear();
    for (const nlohmann::json& item : value_) member->push_back(whole(item).get<int64_t>());
  }
  void operator()(std::vector<std::string>* member) const { *member = strings(); }
  void operator()(std::set<std::string>* member) const {
    const std::vector<std::string> items = strings();
    *member = {items.begin(), items.end()};
  }

 private:
  void need(bool holds, const char* expected) const {
    if (!holds) fail<UsageError>(setting_.flag(), " is ", short_text(value_), ", expected ", expected);
  }
  /// Only what the flag takes: what it refuses no file brings in.
  void check_word(std::string word) const {
    for (const auto& check : {setting_.takes, setting_.range}) {
      const std::string wrong = check ? (*check)(word) : "";
      if (!wrong.empty()) fail<UsageError>(setting_.flag(), ": ", wrong);
    }
    if (setting_.accepts) setting_.accepts(word);
  }
  const nlohmann::json& whole(const nlohmann::json& number) const {
    need(number.is_number_integer(), "a whole number");
    check_word(number.dump());
    return number;
  }
  std::vector<std::string> strings() const {
    need(value_.is_array(), "a list of strings");
    std::vector<std::string> items;
    for (const nlohmann::json& item : value_) {
      need(item.is_string(), "a list of strings");
      items.push_back(item.get<std::string>());
    }
    return setting_.split ? setting_.split(joined(items, ",")) : items;
  }

  const SettingRow& setting_;
  const nlohmann::json& value_;
};

void check_bound(const SettingRow& s) {
  if (!s.bound) return;
  const auto check = [&](auto value) {
    if (!s.bound->holds(static_cast<double>(value)))
      fail<UsageError>(s.flag(), " ", value, ": expected ", s.bound->expected);
  };
  std::visit(
      Overloaded{[&](int64_t* member) { check(*member); }, [&](double* member) { check(*member); },
                 [&](std::vector<int64_t>* member) { std::ranges::for_each(*member, check); }, [](auto) {}},
      s.member);
}

}  // namespace

std::string flag_of(std::string key) {
  std::ranges::replace(key, '_', '-');
  return "--" + key;
}

std::string SettingRow::flag() const { return flag_name.empty() ? flag_of(name) : flag_name; }

Bound at_least(int64_t least) {
  static const std::map<int64_t, const char*> kExpected{{0, "0 or more"}, {1, "1 or more"}, {2, "2 or more"}};
  return {[least](double x) { return x >= static_cast<double>(least); }, kExpected.at(least)};
}

Bound above_zero() {
  return {[](double x) { return std::isfinite(x) && x > 0; }, "a number above 0"};
}

SettingRow& setting_of(SettingTable& table, const std::string& name) {
  const auto found = std::ranges::find(table, name, &SettingRow::name);
  SCCA_CHECK(found != table.end(), "no setting is called ", name);
  return *found;
}

SettingTable only(SettingTable table, const std::set<std::string>& names) {
  std::erase_if(table, [&](const SettingRow& s) { return !names.contains(s.name); });
  return table;
}

SettingTable without(SettingTable table, const std::set<std::string>& names) {
  std::erase_if(table, [&](const SettingRow& s) { return names.contains(s.name); });
  return table;
}

SettingTable operator+(SettingTable table, SettingTable more) {
  std::ranges::move(more, std::back_inserter(table));
  return table;
}

SettingTable in_section(const char* section, SettingTable table) {
  for (SettingRow& s : table) s.section = section;
  return table;
}

void add_flags(CLI::App& app, const SettingTable& table) {
  for (const SettingRow& s : table) {
    CLI::Option* option = option_for(app, s);
    if (!option) continue;
    option->group(s.section)->required(s.required);
    if (s.type[0] != '\0') option->type_name(s.type);
    if (s.range) option->check(*s.range);
    if (s.split) option->transform(list_of(any_word(s.type)));
    if (s.takes && !std::holds_alternative<std::vector<int64_t>*>(s.member)) option->transform(*s.takes);
  }
}

void check_bounds(const SettingTable& table) { std::ranges::for_each(table, check_bound); }

nlohmann::json to_json(const SettingTable& table) {
  nlohmann::json json = nlohmann::json::object();
  for (const SettingRow& s : table) {
    if (!s.written) continue;
    std::visit(Overloaded{[](std::monostate) {},
                          [&](std::optional<double>* member) { json[s.name] = member->value_or(0); },
                          [&](auto* member) { json[s.name] = *member; }},
               s.member);
  }
  return json;
}

void set_from_json(const SettingRow& setting, const nlohmann::json& value) {
  const nlohmann::json current = setting.older ? setting.older(value) : value;
  std::visit(FromJson(setting, current), setting.member);
  check_bound(setting);
}

}  // namespace scca
