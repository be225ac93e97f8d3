#include "train/data/mixture.h"

#include <filesystem>
#include <optional>

#include "core/numbers.h"

namespace scca {
namespace {

struct Word {
  std::string path;
  std::optional<double> weight = {};
};

Word word_of(const std::string& text, const Message& what) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos || std::filesystem::exists(text)) return {text};
  const std::optional<double> weight = parse_real(text.substr(at + 1));
  if (!weight || !(*weight > 0) || at == 0)
    fail<UsageError>(what, ": '", text, "' is no file, and no PATH=WEIGHT with a number above 0");
  return {text.substr(0, at), weight};
}

/// "a=0.7,b=0.3" is two, unless a file is called so.
std::vector<std::string> parts_of(const std::string& word) {
  const size_t at = word.rfind('=');
  if (at == std::string::npos || std::filesystem::exists(word) || std::filesystem::exists(word.substr(0, at)))
    return {word};
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t at = 0; (at = word.find(',', at)) != std::string::npos; ++at) {
    const std::string part = word.substr(begin, at - begin);
    if (part.find('=') == std::string::npos) continue;  // a comma in a name
    parts.push_back(part);
    begin = at + 1;
  }
  parts.push_back(word.substr(begin));
  return parts;
}

}  // namespace

std::vector<WeightedPaths> mixture_of(const std::vector<std::string>& words, const Message& what) {
  std::vector<Word> all;
  for (const std::string& word : words)
    for (const std::string& part : parts_of(word)) all.push_back(word_of(part, what));
  std::vector<WeightedPaths> mixture;
  std::vector<std::string> plain;
  for (Word& word : all) {
    if (word.weight)
      mixture.push_back({{std::move(word.path)}, *word.weight});
    else
      plain.push_back(std::move(word.path));
  }
  if (!plain.empty() && !mixture.empty())
    fail<UsageError>(what, ": ", plain[0], " has no weight and ", mixture[0].paths[0],
                     " has; give each one, PATH=WEIGHT, or none");
  if (mixture.empty()) mixture.push_back({std::move(plain)});
  return mixture;
}

}  // namespace scca
