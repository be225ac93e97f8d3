#pragma once
// --config FILE: settings of a command from a file, such as the config.json that a run wrote of itself.
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/cli/setting_table.h"

namespace scca {

/// Keys of a run's config.json by which a file of settings is known.
namespace record {
inline constexpr const char *kCommand = "command", *kVersion = "version",
                            *kDerived = "derived";  // settings that nobody gave, with what the run made of
                                                    // the others: made again unless changed in the file
}  // namespace record

/// The flag --config of a command whose flags were added by add_flags. A flag that the command requires may
/// then stand in the file instead.
class SettingsFile {
 public:
  /// Adds the flag to `app`, which outlives this.
  SettingsFile(CLI::App& app, std::string command);
  SettingsFile(const SettingsFile&) = delete;
  SettingsFile& operator=(const SettingsFile&) = delete;

  /// The file as JSON: bounded, an object. Throws Error naming it when it cannot be read or is none.
  static nlohmann::json load(const std::string& file);

  /// After the flags are read: the file's settings for all that no flag gave. Nothing without --config.
  /// Throws UsageError in a line that names the file and the key, for a key that is not in the table, a value
  /// that the setting does not take, and a file of another command or version; and naming the flag, for
  /// what is required and nowhere given.
  void read(const SettingTable& table,
            const std::function<nlohmann::json(const std::string&)>& loaded = load);

 private:
  void check_origin(const nlohmann::json& json) const;
  void take(const SettingTable& table, const nlohmann::json& json) const;
  void check_required(const SettingTable& table, const nlohmann::json& json) const;

  CLI::App& app_;
  std::string command_, file_;
  std::vector<const CLI::Option*> required_;  // by the command, where there is no file
};

}  // namespace scca
