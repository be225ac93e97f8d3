#pragma once
// What was meant by a mistyped word.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// The nearest of `known`, the first of equals; nullopt where none is near: a third of the word's letters, or
/// two, may be wrong, missing or too many; four letters or more that a known word begins with are as near as
/// one letter. Nothing is near a word of more than 64 bytes.
std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace scca
