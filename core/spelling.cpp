#include "core/spelling.h"

#include <algorithm>
#include <numeric>

namespace scca {
namespace {

constexpr size_t kLeastBeginning = 4;

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return std::nullopt;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  std::optional<std::string> nearest;
  for (const std::string& name : known) {
    size_t distance = edit_distance(word, name);
    if (word.size() >= kLeastBeginning && name.starts_with(word)) distance = std::min<size_t>(distance, 1);
    if (distance >= least || distance >= name.size()) continue;  // all of a short name may differ: not near
    least = distance;
    nearest = name;
  }
  return nearest;
}

}  // namespace scca
