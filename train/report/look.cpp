#include "train/report/look.h"

#include <algorithm>
#include <iterator>

#include "core/hash.h"

namespace scca {
namespace {

constexpr double kDashes[] = {0, 12, 2};
constexpr size_t kLookCount = colors::kSeriesCount * std::size(kDashes);

/// Names and their places among nth_look. The demo's seven rows have unbroken lines. A name that is not here
/// needs no line here: it has a look all the same.
struct Place {
  const char* name;
  size_t index;
};
constexpr Place kPlaces[] = {{"base", 0},  {"base-window", 1}, {"rope-untrained", 2}, {"full", 3},
                             {"local", 4}, {"s2", 5},          {"scca-fixed", 6},     {"scca-flow", 8},
                             {"sda", 9},   {"longmixed", 10},  {"dilated", 11},       {"window", 12},
                             {"mix", 13}};

/// The looks that no name of the table has.
std::vector<Look> free_looks() {
  std::vector<Look> looks;
  for (size_t i = 0; i < kLookCount; ++i)
    if (std::ranges::find(kPlaces, i, &Place::index) == std::end(kPlaces)) looks.push_back(nth_look(i));
  return looks;
}

/// "local(chunk=512)": "local". A spec of several patterns, or a plan's file, is its own whole name.
std::string pattern_of(const std::string& spec) {
  return spec.find_first_of(";@") == spec.npos ? spec.substr(0, spec.find('(')) : spec;
}

}  // namespace

Look nth_look(size_t index) {
  return {colors::kSeries[index % colors::kSeriesCount],
          kDashes[index / colors::kSeriesCount % std::size(kDashes)]};
}

Look look_of(const std::string& name) {
  const std::string pattern = pattern_of(name);
  const auto place = std::ranges::find(kPlaces, pattern, &Place::name);
  if (place != std::end(kPlaces)) return nth_look(place->index);
  const std::vector<Look> free = free_looks();
  return free[hash_text(pattern) % free.size()];
}

std::map<std::string, Look> looks_of(const std::vector<std::string>& names) {
  std::map<std::string, Look> looks;
  std::vector<std::string> alike;
  const auto taken = [&](const Look& look) {
    return std::ranges::any_of(looks, [&](const auto& named) { return named.second == look; });
  };
  for (const std::string& name : names) {
    if (taken(look_of(name)))
      alike.push_back(name);
    else
      looks[name] = look_of(name);
  }
  std::vector<Look> choice = free_looks();  // those of the table only when these are used up
  for (size_t i = 0; i < kLookCount; ++i) choice.push_back(nth_look(i));
  for (const std::string& name : alike) {
    if (looks.contains(name)) continue;
    const Look wanted = look_of(name);
    std::vector<Look> left = choice;
    std::erase_if(left, taken);
    const auto same_color = std::ranges::find(left, wanted.color, &Look::color);
    looks[name] = same_color != left.end() ? *same_color : left.empty() ? wanted : left.front();
  }
  return looks;
}

void draw_sample(Canvas& canvas, Point left, const Look& look, bool marker) {
  canvas.polyline({{left.x + 2, left.y}, {left.x + kSampleWidth - 2, left.y}}, 3, look.color, 1, look.dash);
  if (marker) canvas.disc({left.x + kSampleWidth / 2, left.y}, 4, look.color);
}

}  // namespace scca
