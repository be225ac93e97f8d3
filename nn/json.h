#pragma once
// JSON that others wrote: settings, headers, plans, records. The one place where it is parsed
// (nlohmann-json).
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

using Json = nlohmann::json;

/// Values may stand in this many arrays and objects. The library parses in a loop but prints, copies and
/// compares by recursion, so that a file of 160 kB of '[' would end the program.
constexpr int kDeepestJson = 200;

/// Throws Error "WHERE: not JSON: ..." with line and column, when an object has a key twice (readers differ
/// in which of the two they take), and when it is nested deeper than kDeepestJson.
Json parse_json(std::string_view text, const std::string& where);

/// Json sorts an object's keys. Those of the object called `key` at the top of `text`, which parse_json has
/// read, in the text's order; none where there is no such object.
std::vector<std::string> keys_in_order(std::string_view text, const std::string& key);

/// A value for an error message: one line, shortened, always valid UTF-8.
std::string short_text(const Json& value);

/// The fields of an object of settings, each read as the kind it must be. A missing field and null are empty
/// ({} or nullptr); a field of another kind throws Error "WHERE: KEY is FOUND, expected ...".
class JsonFields {
 public:
  /// Holds on to `json`.
  JsonFields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  const Json& json() const { return json_; }
  const std::string& where() const { return where_; }
  std::optional<int64_t> integer(const char* key) const;
  std::optional<double> number(const char* key) const;
  std::optional<bool> boolean(const char* key) const;
  std::optional<std::string> text(const char* key) const;
  std::vector<double> numbers(const char* key) const;
  const Json* object(const char* key) const;

 private:
  const Json* find(const char* key) const;
  [[noreturn]] void fail_kind(const char* key, const char* expected) const;

  const Json& json_;
  std::string where_;
};

}  // namespace scca
