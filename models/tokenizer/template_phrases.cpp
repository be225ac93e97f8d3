#include "models/tokenizer/template_phrases.h"

#include <algorithm>

#include "core/check.h"
#include "models/tokenizer/template_text.h"

namespace scca {
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
