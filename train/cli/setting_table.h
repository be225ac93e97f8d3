#pragma once
// One table for the settings of a command. Flags and their help, the JSON in which a run writes its settings
// down, the bounds of the values, what a resumed run must keep, and files of settings (--config,
// train/cli/settings_file.h) all follow from it: a new setting is a member and its line.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace scca {

/// The member that a setting is kept in; its initialiser is the default. monostate: a key that a run writes
/// down and that is no setting (version, data_fingerprint).
using SettingMember =
    std::variant<std::monostate, int64_t*, uint64_t*, double*, std::optional<double>*, bool*, std::string*,
                 std::vector<std::string>*, std::vector<int64_t>*, std::set<std::string>*>;

/// What a number must be besides what its flag can read.
struct Bound {
  std::function<bool(double)> holds;
  const char* expected;  // "1 or more"
};

struct SettingRow {
  std::string name;  // the key in JSON
  SettingMember member = {};
  const char* section = "";  // of the help
  std::string help = {};
  std::optional<CLI::Validator> takes = {};  // one of train/cli/flag_values.h, or a choice of words
  std::optional<CLI::Validator> range = {};  // checked on what `takes` lets through
  const char* type = "";                     // what help calls the value, where `takes` does not
  std::optional<Bound> bound = {};
  /// Of a word that only its user can judge: throws UsageError when it is none. Not asked of flags, whose
  /// users say so themselves.
  std::function<void(const std::string&)> accepts = {};
  /// A list that is one word for a flag: to its items. Throws UsageError naming the flag.
  std::function<std::vector<std::string>(const std::string&)> split = {};
  std::string shown = {};  // split: the default as the flag would be given
  bool required = false;
  bool written = true;  // in JSON; false: for the flag alone
  bool may_differ =
      false;  // a resumed run need not have the same: it shapes no loss, or a hash stands for it
  std::string flag_name = {};  // where it is not made of the key
  /// What an older version wrote, as to_json has it now; any other value as it is.
  std::function<nlohmann::json(const nlohmann::json&)> older = {};

  /// "--grad-accum" for grad_accum
  std::string flag() const;
  bool is_recorded_only() const { return std::holds_alternative<std::monostate>(member); }
};

using SettingTable = std::vector<SettingRow>;

Bound at_least(int64_t least);
/// A finite number above 0.
Bound above_zero();

/// "grad_accum" to "--grad-accum"
std::string flag_of(std::string key);

/// The setting of that name, which must be there.
SettingRow& setting_of(SettingTable& table, const std::string& name);
/// Those of these names, in the table's order.
SettingTable only(SettingTable table, const std::set<std::string>& names);
/// Those of other names.
SettingTable without(SettingTable table, const std::set<std::string>& names);
SettingTable operator+(SettingTable table, SettingTable more);
/// The same in this section of the help.
SettingTable in_section(const char* section, SettingTable table);

/// A flag for each setting, in its section; defaults are what the members hold.
void add_flags(CLI::App& app, const SettingTable& table);

/// Throws UsageError "--lr 0: expected a number above 0" for the first member that is out of its bound.
void check_bounds(const SettingTable& table);

/// The settings as RUN/config.json has them. An optional number that is not given is 0.
nlohmann::json to_json(const SettingTable& table);

/// Sets the member from JSON as to_json has it. Throws UsageError that begins with the flag when the value is
/// of another kind, not what the flag takes, or out of its bound.
void set_from_json(const SettingRow& setting, const nlohmann::json& value);

}  // namespace scca
