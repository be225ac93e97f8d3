#pragma once
#include <string>

namespace scca {

/// "full, local, s2": the strings of any container, in its order.
template <class Items>
std::string joined(const Items& items, const char* between = ", ") {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : between) + item;
  return text;
}

}  // namespace scca
