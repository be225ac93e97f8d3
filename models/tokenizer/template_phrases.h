#pragma once
// Whether a chat template writes what is on a list, and nothing else.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

/// What of a compact template a chat without tools and with texts as contents comes to: without the branches
/// for tools, what raises exceptions, and the marks of what an answer is. What is not known to be such stays.
std::string live_template(std::string_view compact);

/// The same without {% %}: what it may write.
std::string outputs_of(std::string_view compact);

/// A template that is put together from phrases alone, each as often as it likes.
struct Phrased {
  std::optional<std::string> free;  // what stands where a phrase has kFreeText
};
/// In a phrase: any text within a literal, but for control words.
constexpr std::string_view kFreeText = "*";
/// Empty where something else is in it.
std::optional<Phrased> phrased(std::string_view compact, const std::vector<std::string>& phrases);

}  // namespace scca
