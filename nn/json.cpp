#include "nn/json.h"

#include <set>
#include <vector>

#include "core/check.h"

namespace scca {
namespace {

/// The library's message without its prefix, in printable ASCII, and with the end alone of what it read last:
/// that may be a whole document.
std::string reason_of(const Json::exception& error) {
  std::string reason = error.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
  const size_t prefix = reason.find("] ");
  if (prefix != std::string::npos) reason.erase(0, prefix + 2);
  constexpr size_t kQuoted = 40;
  constexpr std::string_view kLastRead = "last read: '";
  const size_t quote = reason.find(kLastRead), begin = quote + kLastRead.size(), end = reason.rfind('\'');
  if (quote != std::string::npos && end > begin + kQuoted)
    reason.replace(begin, end - kQuoted - begin, "...");
  for (char& c : reason)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  constexpr size_t kLongest = 300;  // some messages quote a number or a key elsewhere
  if (reason.size() > kLongest) reason = reason.substr(0, kLongest - 3) + "...";
  return reason;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth >= kDeepestJson &&
        (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start))
      fail(where, ": is nested deeper than ", kDeepestJson,
           " levels, which no tool writes; is the file damaged?");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const bool fresh = keys.back().insert(value.get<std::string>()).second;
      SCCA_CHECK(fresh, where, ": the key ", short_text(value), " comes twice");
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& error) {
    fail(where, ": not JSON: ", reason_of(error));
  }
}

std::vector<std::string> keys_in_order(std::string_view text, const std::string& key) {
  std::vector<std::string> keys;
  const auto json = nlohmann::ordered_json::parse(text);
  if (!json.is_object() || !json.contains(key) || !json[key].is_object()) return keys;
  for (const auto& [name, value] : json[key].items()) keys.push_back(name);
  return keys;
}

std::string short_text(const Json& value) {
  constexpr size_t kLongest = 100;
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);  // ASCII: may be cut anywhere
  if (text.size() > kLongest) text = text.substr(0, kLongest - 3) + "...";
  return text;
}

const Json* JsonFields::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::fail_kind(const char* key, const char* expected) const {
  fail(where_, ": ", key, " is ", short_text(json_.at(key)), ", expected ", expected);
}

std::optional<int64_t> JsonFields::integer(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  // Beyond int64 the parser keeps an unsigned number, which get() would wrap around.
  const bool fits = !value->is_number_unsigned() || value->get<uint64_t>() <= uint64_t{INT64_MAX};
  if (!value->is_number_integer() || !fits) fail_kind(key, "an integer");
  return value->get<int64_t>();
}

std::optional<double> JsonFields::number(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number()) fail_kind(key, "a number");
  return value->get<double>();
}

std::optional<bool> JsonFields::boolean(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) fail_kind(key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonFields::text(const char* key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) fail_kind(key, "a string");
  return value->get<std::string>();
}

std::vector<double> JsonFields::numbers(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) fail_kind(key, "a list of numbers");
  std::vector<double> numbers;
  for (const Json& element : *value) {
    if (!element.is_number()) fail_kind(key, "a list of numbers");
    numbers.push_back(element.get<double>());
  }
  return numbers;
}

const Json* JsonFields::object(const char* key) const {
  const Json* value = find(key);
  if (value && !value->is_object()) fail_kind(key, "an object or null");
  return value;
}

}  // namespace scca
