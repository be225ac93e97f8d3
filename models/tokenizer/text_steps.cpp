#include "models/tokenizer/text_steps.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
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

constexpr auto kFormC = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

void check_form_c(utf8proc_ssize_t result) {
  SCCA_CHECK(result >= 0, "tokenizer: a text has no NFC form: ", utf8proc_errmsg(result));
}

/// Every character taken apart, in the order of the text.
std::vector<int32_t> decomposed(std::string_view text) {
  std::vector<int32_t> codes;
  codes.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t at = 0; at < text.size();) {
    int32_t code = 0;
    const utf8proc_ssize_t read =
        utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    check_form_c(read);
    at += static_cast<size_t>(read);
    std::array<int32_t, 16> parts;  // Unicode has at most 4
    int boundary = 0;               // not used by this form
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(code, parts.data(), std::ssize(parts), kFormC, &boundary);
    check_form_c(count);
    SCCA_CHECK(count <= std::ssize(parts), "tokenizer: a character decomposes into ", count);
    codes.insert(codes.end(), parts.begin(), parts.begin() + count);
  }
  return codes;
}

/// The marks behind each other character by their class. utf8proc_decompose does it by swapping neighbours,
/// which takes minutes for a long row of marks.
void sort_marks(std::vector<int32_t>& codes) {
  const auto mark_class = [](int32_t code) { return utf8proc_get_property(code)->combining_class; };
  const auto is_mark = [&](int32_t code) { return mark_class(code) > 0; };
  for (auto end = codes.begin(); end != codes.end();) {
    const auto begin = std::find_if(end, codes.end(), is_mark);
    end = std::find_if_not(begin, codes.end(), is_mark);
    if (end - begin > 1)
      std::stable_sort(begin, end, [&](int32_t a, int32_t b) { return mark_class(a) < mark_class(b); });
  }
}

std::string nfc(std::string_view text) {
  std::vector<int32_t> codes = decomposed(text);
  sort_marks(codes);
  const utf8proc_ssize_t count = utf8proc_normalize_utf32(codes.data(), std::ssize(codes), kFormC);
  check_form_c(count);
  codes.resize(static_cast<size_t>(count));
  std::string result;
  result.reserve(text.size());
  for (const int32_t code : codes) {
    std::array<utf8proc_uint8_t, 4> bytes;
    const utf8proc_ssize_t size = utf8proc_encode_char(code, bytes.data());
    result.append(bytes.begin(), bytes.begin() + size);
  }
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
