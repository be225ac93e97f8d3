#pragma once
// Data that are mixed: which paths, and how much of each.
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"

namespace scca {

/// Paths that are one text, and its weight.
struct WeightedPaths {
  std::vector<std::string> paths;
  double weight = 1;
};

/// "books=0.7", "chats.jsonl=0.3": a text for each, also as one word with a comma between. Without weights
/// all paths are one text. What is there under its whole name, equals sign and all, is a path. Throws
/// UsageError naming `what` for a weight that is no number above 0, and where only some have one.
std::vector<WeightedPaths> mixture_of(const std::vector<std::string>& words, const Message& what);

}  // namespace scca
