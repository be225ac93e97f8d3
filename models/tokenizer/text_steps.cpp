#include "models/tokenizer/text_steps.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "core/check.h"

namespace scca {
namespace {

struct Section {
  TextRange range;
  bool match = false;
};

/// The matches and what stands between, in order, all of the text.
void sections_of(TextPattern::Matches& matches, std::string_view text, std::vector<Section>& sections) {
  sections.clear();
  matches.restart(text);
  size_t end = 0;
  for (TextRange range; matches.next(range); end = range.end) {
    if (range.begin > end) sections.push_back({{end, range.begin}, false});
    sections.push_back({range, true});
  }
  if (end < text.size()) sections.push_back({{end, text.size()}, false});
}

/// Joins sections as `behavior` says. Of a row of matches one alone is joined with what stands beside it.
void join_sections(std::vector<Section>& sections, SplitBehavior behavior) {
  if (behavior == SplitBehavior::isolated || behavior == SplitBehavior::removed) return;
  const bool backwards = behavior == SplitBehavior::merged_with_next;
  if (backwards) std::ranges::reverse(sections);
  std::vector<Section> joined;
  bool before = false;
  for (const Section& section : sections) {
    const bool join =
        behavior == SplitBehavior::contiguous ? section.match == before : section.match && !before;
    before = section.match;
    if (!join || joined.empty()) {
      joined.push_back(section);
    } else if (backwards) {
      joined.back().range.begin = section.range.begin;
    } else {
      joined.back().range.end = section.range.end;
    }
  }
  if (backwards) std::ranges::reverse(joined);
  sections = std::move(joined);
}

/// Nothing below U+0300, whose UTF-8 begins with 0xCC, is changed by form C.
bool may_need_nfc(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0xcc; });
}

std::string nfc(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  SCCA_CHECK(bytes >= 0, "tokenizer: a text has no NFC form: ", utf8proc_errmsg(bytes));
  std::string result(reinterpret_cast<const char*>(composed), static_cast<size_t>(bytes));
  std::free(composed);
  return result;
}

std::string replaced(TextPattern::Matches& matches, std::string_view text, const std::string& by) {
  std::string result;
  matches.restart(text);
  size_t end = 0;
  for (TextRange range; matches.next(range); end = range.end) {
    result += text.substr(end, range.begin - end);
    result += by;
  }
  result += text.substr(end);
  return result;
}

void prepend(const TextStep& step, TextPart& part, KeptTexts& kept) {
  if (part.text.empty() || (step.unless_there && part.text.starts_with(step.text)) ||
      (step.first_only && !part.first) || part.continues)
    return;
  part.text = kept.emplace_back(step.text + std::string(part.text));
}

void split(const TextStep& step, TextPattern::Matches& matches, std::vector<TextPart>& parts) {
  std::vector<TextPart> result;
  std::vector<Section> sections;
  for (const TextPart& part : parts) {
    sections_of(matches, part.text, sections);
    if (step.invert)
      for (Section& section : sections) section.match = !section.match;
    join_sections(sections, step.behavior);
    for (const auto& [range, match] : sections) {
      if (match && step.behavior == SplitBehavior::removed) continue;
      result.push_back({part.text.substr(range.begin, range.end - range.begin),
                        part.first && range.begin == 0, part.continues && range.begin == 0});
    }
  }
  parts = std::move(result);
}

}  // namespace

int64_t check_growth(int64_t factor, const std::string& where) {
  constexpr int64_t kMost = 4096;
  SCCA_CHECK(factor <= kMost, where, ": its steps may make a text ", factor,
             " times as long, expected at most ", kMost);
  return factor;
}

TextSteps::TextSteps(const std::vector<TextStep>& steps, const std::string& where) {
  int64_t growth = 1;
  for (const TextStep& step : steps) {
    if (step.kind == TextStep::Kind::replace)
      growth = check_growth(growth * std::max<int64_t>(std::ssize(step.text), 1), where);
    if (step.kind == TextStep::Kind::prepend)
      growth = check_growth(growth * (std::ssize(step.text) + 1), where);
    const bool has_pattern = step.kind == TextStep::Kind::replace || step.kind == TextStep::Kind::split;
    steps_.push_back({step, has_pattern ? std::make_unique<TextPattern>(step.pattern, where) : nullptr});
  }
}

void TextSteps::run(std::vector<TextPart>& parts, KeptTexts& kept) const {
  for (const Step& step : steps_) {
    std::optional<TextPattern::Matches> matches;
    if (step.pattern) matches.emplace(*step.pattern, std::string_view());
    if (step.what.kind == TextStep::Kind::split) {
      split(step.what, *matches, parts);
      continue;
    }
    for (TextPart& part : parts) {
      if (step.what.kind == TextStep::Kind::prepend)
        prepend(step.what, part, kept);
      else if (step.what.kind == TextStep::Kind::replace)
        part.text = kept.emplace_back(replaced(*matches, part.text, step.what.text));
      else if (may_need_nfc(part.text))
        part.text = kept.emplace_back(nfc(part.text));
    }
  }
  std::erase_if(parts, [](const TextPart& part) { return part.text.empty(); });
}

}  // namespace scca
