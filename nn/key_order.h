#pragma once
// The order in which an object's keys stand in the text: Json sorts them.
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// The keys of the object that is called `key` at the top of `text`, which parse_json (nn/json.h) has read;
/// none where there is no such object.
std::vector<std::string> keys_in_order(std::string_view text, const std::string& key);

}  // namespace scca
