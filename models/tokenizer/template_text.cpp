#include "models/tokenizer/template_text.h"

#include <algorithm>

#include "core/check.h"

namespace scca {
namespace {

/// Reads a template and writes it down compact.
class Compact {
 public:
  explicit Compact(std::string_view jinja) : rest_(jinja) {
    if (rest_.ends_with('\n')) rest_.remove_suffix(1);  // as Jinja does
  }

  std::string made() {
    while (!rest_.empty()) {
      if (rest_.starts_with("{#")) {
        strip_before();
        const size_t end = rest_.find("#}");
        const bool strips = end != std::string_view::npos && end > 2 && rest_[end - 1] == '-';
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
        strip_behind(strips, true);
      } else if (rest_.starts_with("{{") || rest_.starts_with("{%")) {
        code();
      } else {
        made_ += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    for (const char* key : {"role", "content"}) {
      const std::string item = concat("['", key, "']");
      for (size_t at = made_.find(item); at != std::string::npos; at = made_.find(item, at))
        made_.replace(at, item.size(), concat(".", key));
    }
    return made_;
  }

 private:
  static constexpr std::string_view kBlank = " \t";
  static constexpr std::string_view kWhite = " \t\r\n";

  /// What Jinja's "-", trim_blocks and lstrip_blocks take away in front of a tag, and behind it.
  void strip_before() {
    const bool dash = rest_.size() > 2 && rest_[2] == '-', output = rest_.starts_with("{{");
    const size_t last = made_.find_last_not_of(dash ? kWhite : kBlank);
    const size_t begin = last == std::string::npos ? 0 : last + 1;
    const bool line = begin == 0 || begin == line_begin_ || made_[begin - 1] == '\n';
    if (dash || (!output && line)) made_.resize(begin);
  }
  void strip_behind(bool dash, bool block) {
    if (dash)
      rest_.remove_prefix(std::min(rest_.find_first_not_of(kWhite), rest_.size()));
    else if (block && rest_.starts_with('\n'))
      rest_.remove_prefix(1), line_begin_ = made_.size();
  }

  void code() {
    strip_before();
    const bool block = rest_.starts_with("{%");
    const std::string_view close = block ? "%}" : "}}";
    made_ += rest_.substr(0, 2);
    rest_.remove_prefix(2);
    if (rest_.starts_with('-')) rest_.remove_prefix(1);
    bool dash = false;
    while (!rest_.empty() && !rest_.starts_with(close)) {
      const char c = rest_.front();
      dash = c == '-' && rest_.substr(1).starts_with(close);
      if (c == '\'' || c == '"') {
        text(c);
        continue;
      }
      if (!dash && kWhite.find(c) == std::string_view::npos) made_ += c;
      rest_.remove_prefix(1);
    }
    made_ += close;
    rest_.remove_prefix(std::min(close.size(), rest_.size()));
    strip_behind(dash, block);
  }

  void text(char quote) {
    if (text_end_ > 0 && made_.size() == text_end_ + 1 && made_.back() == '+')
      made_.resize(text_end_ - 1);  // go on with the text before the +
    else
      made_ += '\'';
    rest_.remove_prefix(1);
    for (; !rest_.empty() && rest_.front() != quote; rest_.remove_prefix(1)) {
      const char c = rest_.front();
      if (c == '\\' && rest_.size() > 1) {
        if (rest_[1] != '"') made_ += c;
        rest_.remove_prefix(1);
        made_ += rest_.front();
      } else if (c == '\n') {
        made_ += "\\n";
      } else {
        if (c == '\'') made_ += '\\';
        made_ += c;
      }
    }
    rest_.remove_prefix(std::min<size_t>(1, rest_.size()));
    made_ += '\'';
    text_end_ = made_.size();
  }

  std::string_view rest_;
  std::string made_;
  size_t text_end_ = 0, line_begin_ = 0;  // behind a text; behind a line break that was taken away
};

}  // namespace

std::string compact_template(std::string_view jinja) { return Compact(jinja).made(); }

std::set<std::string> control_words(std::string_view compact) {
  std::set<std::string> words;
  for (size_t at = 0; at < compact.size(); ++at) {
    const std::string_view rest = compact.substr(at);
    if (compact[at] == '<') {
      const size_t end = rest.find_first_of(" \t\n'\"(){}=%\\>", 1);
      if (end == std::string_view::npos || rest[end] != '>' || end < 2) continue;
      const size_t behind = std::min(rest.find_first_not_of('>', end), rest.size());
      words.emplace(rest.substr(0, behind));
      at += behind - 1;
    } else if (compact[at] == '[') {
      const size_t end = rest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_/", 1);
      if (end == std::string_view::npos || rest[end] != ']' || end < 2) continue;
      words.emplace(rest.substr(0, end + 1));
    }
  }
  return words;
}

}  // namespace scca
