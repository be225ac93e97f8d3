#include "nn/key_order.h"

#include <nlohmann/json.hpp>

namespace scca {

std::vector<std::string> keys_in_order(std::string_view text, const std::string& key) {
  std::vector<std::string> keys;
  const auto json = nlohmann::ordered_json::parse(text);
  if (!json.is_object() || !json.contains(key) || !json[key].is_object()) return keys;
  for (const auto& [name, value] : json[key].items()) keys.push_back(name);
  return keys;
}

}  // namespace scca
