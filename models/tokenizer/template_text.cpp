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

namespace {

/// "{{x}}", "{%x%}", and what stands between them.
std::vector<std::string_view> pieces_of(std::string_view compact) {
  std::vector<std::string_view> pieces;
  const auto take = [&](size_t size) {
    if (size > 0) pieces.push_back(compact.substr(0, size));
    compact.remove_prefix(size);
  };
  const auto is_tag = [&](size_t at) {
    return compact.substr(at).starts_with("{{") || compact.substr(at).starts_with("{%");
  };
  while (!compact.empty()) {
    size_t begin = 0;
    while (begin < compact.size() && !is_tag(begin)) ++begin;
    take(begin);
    if (compact.empty()) break;
    const std::string_view close = compact[1] == '{' ? "}}" : "%}";
    bool quoted = false;
    size_t end = 2;
    for (; end < compact.size() && (quoted || !compact.substr(end).starts_with(close)); ++end) {
      if (compact[end] == '\'') quoted = !quoted;
      if (compact[end] == '\\' && quoted) ++end;
    }
    take(std::min(end + close.size(), compact.size()));
  }
  return pieces;
}

/// Of a chat without tools.
const std::set<std::string_view> kFalse{"tools",
                                        "toolsisnotnone",
                                        "nottoolsisnone",
                                        "custom_toolsisdefined",
                                        "builtin_toolsisdefined",
                                        "message.tool_calls",
                                        "message.tool_callsisdefined",
                                        "'tool_calls'inmessage",
                                        "message.role=='tool'",
                                        "message.role=='tool_results'",
                                        "message.role=='ipython'"};
const std::set<std::string_view> kTrue{"notmessage.tool_calls", "message.contentisstring"};

std::vector<std::string_view> split(std::string_view text, std::string_view by) {
  std::vector<std::string_view> parts;
  for (size_t end = text.find(by); end != std::string_view::npos; end = text.find(by)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + by.size());
  }
  parts.push_back(text);
  return parts;
}

/// Whether each side of its "or" has a condition that never holds. A word that is cut apart at an "or" within
/// it makes this false, and so does every "not" of more than one of them.
bool never(std::string_view condition) {
  if (condition.find("not(") != std::string_view::npos) return false;
  return std::ranges::all_of(split(condition, "or"), [](std::string_view side) {
    return std::ranges::any_of(split(side, "and"), [](std::string_view one) {
      while (one.starts_with('(')) one.remove_prefix(1);
      while (one.ends_with(')')) one.remove_suffix(1);
      return kFalse.contains(one);
    });
  });
}

/// Writes down what is not in a branch that is never taken.
class Live {
 public:
  void add(std::string_view piece) {
    const auto inside = [&](std::string_view begin) {
      return piece.starts_with(begin) && piece.ends_with("%}");
    };
    const auto condition = [&](size_t word) { return piece.substr(2 + word, piece.size() - 4 - word); };
    if (inside("{%if")) {
      open_.push_back({});
      branch(condition(2));
    } else if (inside("{%elif") && !open_.empty()) {
      branch(condition(4));
    } else if (piece == "{%else%}" && !open_.empty()) {
      branch("else");
    } else if (piece == "{%endif%}" && !open_.empty()) {
      const bool said = open_.back().said;
      open_.pop_back();
      if (said) say(piece);
    } else if (inside("{%for")) {
      open_.push_back({.said = true, .skipped = piece == "{%fortool_callinmessage.tool_calls%}"});
      say(piece);
    } else if (piece == "{%endfor%}" && !open_.empty()) {
      say(piece);
      open_.pop_back();
    } else if (piece != "{%generation%}" && piece != "{%endgeneration%}" &&
               !piece.starts_with("{{raise_exception(")) {
      say(piece);
    }
  }
  std::string made() { return std::move(made_); }

 private:
  struct Block {
    bool said = false, always = false, skipped = false;  // an if of it; a branch that is taken if no other is
  };

  void branch(std::string_view condition) {
    Block& block = open_.back();
    block.skipped = block.always || never(condition);
    if (block.skipped) return;
    block.always = condition == "else" || kTrue.contains(condition);
    if (block.always && block.said) say("{%else%}");
    if (!block.always) say(concat(block.said ? "{%elif" : "{%if", condition, "%}"));
    block.said |= !block.always;
  }
  void say(std::string_view text) {
    if (std::ranges::none_of(open_, &Block::skipped)) made_ += text;
  }

  std::vector<Block> open_;
  std::string made_;
};

/// The text of a literal; empty for an escape that none of the templates has, and for control words.
std::optional<std::string> unescaped(std::string_view literal) {
  if (!control_words(literal).empty()) return {};
  constexpr std::string_view kEscapes = "nt\\'", kMeant = "\n\t\\'";
  std::string text;
  for (; !literal.empty(); literal.remove_prefix(1)) {
    if (literal.front() == '\'') return {};  // its end
    if (literal.front() == '\\') {
      literal.remove_prefix(1);
      const size_t at = literal.empty() ? std::string_view::npos : kEscapes.find(literal.front());
      if (at == std::string_view::npos) return {};
      text += kMeant[at];
    } else {
      text += literal.front();
    }
  }
  return text;
}

/// How many bytes of the text's beginning are this phrase: 0 for none.
size_t phrase_at(std::string_view text, std::string_view phrase, std::optional<std::string>& free) {
  const size_t at = phrase.find(kFreeText);
  if (at == std::string_view::npos) return text.starts_with(phrase) ? phrase.size() : 0;
  const std::string_view behind = phrase.substr(at + kFreeText.size());
  const size_t end = text.starts_with(phrase.substr(0, at)) ? text.find(behind, at) : std::string_view::npos;
  if (end == std::string_view::npos) return 0;
  const auto found = unescaped(text.substr(at, end - at));
  if (found) free = found;
  return found ? end + behind.size() : 0;
}

}  // namespace

std::string live_template(std::string_view compact) {
  Live live;
  for (const std::string_view piece : pieces_of(compact)) live.add(piece);
  return live.made();
}

std::string outputs_of(std::string_view compact) {
  std::string made;
  for (const std::string_view piece : pieces_of(compact))
    if (!piece.starts_with("{%")) made += piece;
  return made;
}

std::optional<Phrased> phrased(std::string_view compact, const std::vector<std::string>& phrases) {
  Phrased made;
  while (!compact.empty()) {
    size_t longest = 0;
    for (const std::string& phrase : phrases)
      longest = std::max(longest, phrase_at(compact, phrase, made.free));
    if (longest == 0) return {};
    compact.remove_prefix(longest);
  }
  return made;
}

}  // namespace scca
