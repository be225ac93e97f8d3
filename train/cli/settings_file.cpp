#include "train/cli/settings_file.h"

#include <algorithm>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"
#include "train/cli/help.h"

namespace scca {
namespace {

/// The message of a flag's as one of the file's: "--lr 0: expected ..." to "FILE: lr 0: expected ...". Its
/// first line: a spec of attention is shown on two more.
std::string in_file(const std::string& file, const SettingRow& setting, const std::string& message) {
  const std::string flag = setting.flag();
  const std::string rest = message.starts_with(flag) ? message.substr(flag.size()) : ": " + message;
  return concat(file, ": ", setting.name, rest.substr(0, rest.find("\n  ")));
}

}  // namespace

SettingsFile::SettingsFile(CLI::App& app, std::string command) : app_(app), command_(std::move(command)) {
  const auto note = [this](const std::string& file) {
    file_ = file;
    // CLI11 looks for what is required after this.
    for (CLI::Option* option : app_.get_options())
      if (option->get_required()) required_.push_back(option->required(false));
  };
  app.add_option_function<std::string>(
         "--config", note, "Settings from a file, such as a run's config.json; a flag overrides what it says")
      ->type_name("FILE")
      ->group(section::kModel);
}

nlohmann::json SettingsFile::load(const std::string& file) {
  nlohmann::json json = parse_json(read_text_file(file), file);
  if (!json.is_object())
    fail(file, ": holds ", short_text(json), ", expected an object of settings, as a run's config.json");
  return json;
}

void SettingsFile::read(const SettingTable& table,
                        const std::function<nlohmann::json(const std::string&)>& loaded) {
  if (file_.empty()) return;
  const nlohmann::json json = loaded(file_);
  check_origin(json);
  take(table, json);
  check_required(table, json);
}

void SettingsFile::check_origin(const nlohmann::json& json) const {
  const auto expect = [&](const char* key, const std::string& expected, const std::string& why) {
    if (json.contains(key) && json[key] != expected)
      fail<UsageError>(file_, ": ", key, " is ", short_text(json[key]), ", expected \"", expected, "\"", why);
  };
  expect(record::kCommand, command_, "");
  expect(
      record::kVersion, SCCA_VERSION,
      ": a setting may have meant another thing; without this key the file is read as one of this version");
}

void SettingsFile::take(const SettingTable& table, const nlohmann::json& json) const {
  const nlohmann::json derived = json.value(record::kDerived, nlohmann::json::object());
  if (!derived.is_object())
    fail<UsageError>(file_, ": ", record::kDerived, " is ", short_text(derived), ", expected an object");
  for (const auto& [key, value] : json.items()) {
    const auto setting = std::ranges::find(table, key, &SettingRow::name);
    if (setting == table.end() || !setting->written)
      fail<UsageError>(file_, ": ", short_text(key), " is no setting of scca ", command_);
    if (setting->is_recorded_only() || (derived.contains(key) && derived[key] == value)) continue;
    try {
      set_from_json(*setting, value);
    } catch (const Error& error) {
      fail<UsageError>(in_file(file_, *setting, error.what()));
    }
    CLI::Option* flag = app_.get_option(setting->flag());
    if (flag->count() > 0) flag->run_callback();  // has the last word
  }
}

void SettingsFile::check_required(const SettingTable& table, const nlohmann::json& json) const {
  for (const CLI::Option* option : required_) {
    const auto setting = std::ranges::find(table, option->get_name(), &SettingRow::flag);
    const bool in_file = setting != table.end() && json.contains(setting->name) &&
                         json[setting->name] != "" && !json[setting->name].empty();
    if (option->count() == 0 && !in_file)
      fail<UsageError>(option->get_name(), " is required, and ", file_, " does not say it either; see scca ",
                       command_, " --help");
  }
}

}  // namespace scca
