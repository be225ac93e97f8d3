#pragma once
// JSON as the checkpoint formats use it (nlohmann-json).
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace scca {

using Json = nlohmann::json;

/// Throws Error "WHERE: not JSON: ..." with line and column, and when an object has a key twice: readers
/// differ in which of the two they take.
Json parse_json(std::string_view text, const std::string& where);

/// A value for an error message: one line, shortened, always valid UTF-8.
std::string short_text(const Json& value);

}  // namespace scca
