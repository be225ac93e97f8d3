#include "train/run/attention_schedule.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/check.h"

namespace scca {
namespace {

constexpr const char* kUntil =
    "..";  // of no spec: numbers in specs are whole, and "../plan.json" has no digit behind

bool digit(char c) { return c >= '0' && c <= '9'; }

/// Where "..20," stands in text, from `from` on: its dots, and the step's end.
struct Mark {
  size_t dots = std::string::npos, end = std::string::npos;
  explicit operator bool() const { return dots != std::string::npos; }
};
Mark find_mark(const std::string& text, size_t from) {
  for (size_t dots = text.find(kUntil, from); dots != std::string::npos; dots = text.find(kUntil, dots + 1)) {
    size_t end = dots + 2;
    while (end < text.size() && digit(text[end])) ++end;
    if (end > dots + 2 && (end == text.size() || text[end] == ',')) return {dots, end};
  }
  return {};
}

int64_t step_of(const std::string& text, const Mark& mark, int64_t before) {
  int64_t step = 0;
  const char* begin = text.data() + mark.dots + 2;
  const auto [end, error] = std::from_chars(begin, text.data() + mark.end, step);
  if (error != std::errc() || step <= before)
    fail<UsageError>(Setting("attention"), " '", text, "': a pattern ends with step ",
                     std::string(begin, end), ", expected one above ", before);
  return step;
}

}  // namespace

AttentionSchedule::AttentionSchedule(const std::string& text) {
  size_t from = 0;
  while (const Mark mark = find_mark(text, from)) {
    const int64_t before = phases_.empty() ? 0 : phases_.back().until;
    phases_.push_back(
        {parse_attention_spec(text.substr(from, mark.dots - from)), step_of(text, mark, before)});
    if (mark.end == text.size())
      fail<UsageError>(Setting("attention"), " '", text, "': ends with step ", phases_.back().until,
                       "; expected a comma and the pattern of the steps behind it");
    from = mark.end + 1;
  }
  phases_.push_back({parse_attention_spec(text.substr(from)), std::numeric_limits<int64_t>::max()});
}

std::string AttentionSchedule::file_hashes() const {
  std::string hashes;
  for (const Phase& phase : phases_) hashes += phase.attention.file_hash();
  return hashes;
}

const AttentionSpec& AttentionSchedule::at(int64_t step) const {
  return std::ranges::find_if(phases_, [&](const Phase& phase) { return step <= phase.until; })->attention;
}

std::string AttentionSchedule::to_string() const {
  std::string text;
  for (const Phase& phase : phases_) {
    text += phase.attention.to_string();
    if (&phase != &phases_.back()) text += concat(kUntil, phase.until, ", ");
  }
  return text;
}

std::string AttentionSchedule::beyond(int64_t steps) const {
  for (size_t i = 1; i < phases_.size(); ++i)
    if (phases_[i - 1].until >= steps)
      return concat(phases_[i].attention.to_string(), " from step ", phases_[i - 1].until + 1);
  return "";
}

}  // namespace scca
