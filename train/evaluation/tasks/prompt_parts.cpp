#include "train/evaluation/tasks/prompt_parts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "core/check.h"
#include "core/random.h"

namespace scca {
namespace {

constexpr std::array<std::string_view, 64> kAdjectives{
    "ancient", "bitter", "bold",   "brave",   "brief",  "bright", "broad",  "calm",   "cheap", "clean",
    "clever",  "cold",   "cosy",   "curious", "damp",   "dark",   "deep",   "dry",    "eager", "early",
    "empty",   "faint",  "fancy",  "fierce",  "fine",   "firm",   "flat",   "fond",   "fresh", "gentle",
    "glad",    "grand",  "great",  "happy",   "heavy",  "hollow", "honest", "humble", "keen",  "kind",
    "late",    "lazy",   "light",  "lively",  "lonely", "loud",   "lucky",  "merry",  "mild",  "modest",
    "narrow",  "noble",  "odd",    "pale",    "plain",  "polite", "proud",  "quick",  "quiet", "rapid",
    "rare",    "rough",  "silent", "young"};

constexpr std::array<std::string_view, 96> kNouns{
    "anchor", "apple",   "arrow",  "basket", "beach",  "bell",   "bird",   "boat",     "bottle",  "bread",
    "bridge", "brush",   "bucket", "button", "cabin",  "candle", "carpet", "castle",   "cave",    "chair",
    "cherry", "circle",  "clock",  "cloud",  "coat",   "coin",   "copper", "corner",   "cottage", "cup",
    "desk",   "diamond", "door",   "drum",   "eagle",  "engine", "farm",   "feather",  "fence",   "field",
    "flag",   "flower",  "forest", "fork",   "garden", "gate",   "glass",  "glove",    "hammer",  "harbour",
    "hat",    "hill",    "horse",  "house",  "island", "jacket", "kettle", "key",      "kitchen", "ladder",
    "lake",   "lamp",    "leaf",   "letter", "market", "meadow", "mirror", "mountain", "needle",  "ocean",
    "orange", "paper",   "pencil", "pepper", "piano",  "pillow", "pocket", "pond",     "rabbit",  "river",
    "road",   "rope",    "saddle", "school", "shell",  "ship",   "silver", "spoon",    "stone",   "street",
    "table",  "tower",   "train",  "valley", "window", "winter"};

template <size_t N>
std::string_view one_of(Draws& draws, const std::array<std::string_view, N>& words) {
  return words[static_cast<size_t>(draws.below(N))];
}

char one_of(Draws& draws, std::string_view letters) {
  return letters[static_cast<size_t>(draws.below(static_cast<int64_t>(letters.size())))];
}

}  // namespace

// Each (tokens, depth, index) has a stream of its own: a cell's prompts do not depend on what else is asked.
Draws::Draws(const TaskRequest& request)
    : seed_(request.seed),
      stream_(static_cast<uint64_t>(request.index) | (static_cast<uint64_t>(request.tokens) << 24) |
              (static_cast<uint64_t>(request.depth.value_or(127)) << 57)) {}

int64_t Draws::below(int64_t count) {
  const uint32_t bits = philox(seed_, next_++, stream_)[0];
  return static_cast<int64_t>(static_cast<uint64_t>(bits) * static_cast<uint64_t>(count) >> 32);
}

std::vector<int64_t> Draws::places(int64_t count, int64_t from) {
  SCCA_CHECK(count <= from, "places: ", count, " of ", from);
  std::vector<int64_t> found;
  while (static_cast<int64_t>(found.size()) < count) {
    const int64_t place = below(from);
    if (std::ranges::find(found, place) == found.end()) found.push_back(place);
  }
  std::ranges::sort(found);
  return found;
}

std::string Draws::number(int digits) {
  const auto least = static_cast<int64_t>(std::pow(10, digits - 1));
  return std::to_string(least + below(9 * least));
}

std::string Draws::letters(int count, char first) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>(first + below(26));
  return text;
}

std::string Draws::word() {
  constexpr std::string_view consonants = "bdfgklmnprstvwz", vowels = "aeiou";
  std::string text;
  for (int i = 0; i < 5; ++i) text += one_of(*this, i % 2 == 0 ? consonants : vowels);
  return text;
}

std::string Draws::name() {
  const std::string_view adjective = one_of(*this, kAdjectives), noun = one_of(*this, kNouns);
  return concat(adjective, "-", noun);
}

std::string Draws::uuid() {
  std::string text;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    const auto digits = i == 12 ? "4" : i == 16 ? "89ab" : "0123456789abcdef";
    text += one_of(*this, std::string_view(digits));
  }
  return text;
}

std::vector<std::string> Draws::distinct(int64_t count, const std::function<std::string(Draws&)>& make) {
  std::unordered_set<std::string> seen;
  std::vector<std::string> found;
  for (int64_t tries = 0; static_cast<int64_t>(found.size()) < count; ++tries) {
    SCCA_CHECK(tries < 20 * count + 1000, "a prompt of this length needs ", count,
               " different words, more than there are; give a smaller length");
    std::string fresh = make(*this);
    if (seen.insert(fresh).second) found.push_back(std::move(fresh));
  }
  return found;
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += between;
    text += parts[i];
  }
  return text;
}

std::string numbered(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += concat(i > 0 ? " " : "", i + 1, ". ", words[i]);
  return text;
}

int64_t filler_before(int64_t depth, int64_t units) { return (depth * units + 50) / 100; }

FittedText fit(const Task& task, const TaskRequest& request, const CountTokens& count, int64_t least,
               const std::function<std::string(int64_t units)>& build) {
  const int64_t room = request.tokens - task.answer_tokens;
  const auto measured = [&](int64_t units) {
    FittedText text{build(units), units, 0};
    text.tokens = count(text.text);
    return text;
  };
  const FittedText shortest = measured(least);
  if (shortest.tokens > room) {
    fail<UsageError>(task.name, ": a length of ", request.tokens, " is too short; the shortest prompt takes ",
                     shortest.tokens, " tokens with this tokenizer and its answer ", task.answer_tokens,
                     ": give ", shortest.tokens + task.answer_tokens, " or more");
  }
  FittedText best = shortest;
  int64_t beyond = std::numeric_limits<int64_t>::max();  // the smallest that is known not to fit
  int64_t guess = least + 1;
  for (int round = 0; best.units + 1 < beyond; ++round) {
    FittedText tried = measured(guess);
    const auto& from = tried.tokens <= room ? shortest : best;
    const double per_unit = std::max(1.0, static_cast<double>(tried.tokens - from.tokens)) /
                            static_cast<double>(tried.units - from.units);
    if (tried.tokens <= room) {
      best = std::move(tried);
    } else {
      beyond = tried.units;
    }
    const auto more = static_cast<int64_t>(static_cast<double>(room - best.tokens) / per_unit);
    guess = best.units + std::max<int64_t>(1, more);
    if (guess >= beyond) guess = beyond - 1;
    // guesses from one side may creep; halving does not
    if (round > 12 && beyond < std::numeric_limits<int64_t>::max()) guess = (best.units + beyond) / 2;
  }
  return best;
}

}  // namespace scca
