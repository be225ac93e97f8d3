// Oniguruma's syntax to PCRE2's: the constructs that both have, and those that need another spelling.
#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "core/check.h"
#include "models/tokenizer/text_pattern.h"
#include "nn/json.h"

namespace scca {
namespace {

// Unicode's White_Space, as Oniguruma's \s; PCRE2's has U+180E too.
constexpr std::string_view kSpaces =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{"
    "3000}";

constexpr std::array kCategories = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd",
                                    "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm",
                                    "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Translator {
 public:
  Translator(const std::string& regex, const std::string& where) : regex_(regex), where_(where) {}

  std::string run() {
    while (at_ < regex_.size()) step();
    return out_;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(where_, ": the regular expression ", short_text(Json(regex_)), " has ", short_text(Json(what)),
         ", which is not implemented");
  }
  bool follows(std::string_view text) const { return std::string_view(regex_).substr(at_).starts_with(text); }
  void take(size_t bytes) {
    out_ += regex_.substr(at_, bytes);
    at_ += bytes;
  }

  void step() {
    const char c = regex_[at_];
    if (c == '\\') {
      escape(false);
    } else if (c == '[') {
      set();
    } else if (c == '(') {
      group();
    } else if (c == ')') {
      if (!caseless_.empty()) caseless_.pop_back();
      take(1);
    } else if (c == '{') {
      repetition();
    } else if (c == '^' || c == '$') {
      refuse(std::string(1, c));  // Ruby's are of lines
    } else {
      check_caseless(c);
      take(1);
    }
  }

  /// Oniguruma folds "ss" and "ß" together and PCRE2 does not.
  void check_caseless(char c) const {
    if (caseless_.empty() || !caseless_.back()) return;
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    const char low = static_cast<char>(c | 0x20),
               before = at_ > 0 ? static_cast<char>(regex_[at_ - 1] | 0x20) : ' ';
    const bool folds = is_ascii_letter(c) && ((before == 's' && (low == 's' || low == 't')) ||
                                              (before == 'f' && (low == 'f' || low == 'i' || low == 'l')));
    if (!ascii || folds) refuse("(?i:");
  }

  void group() {
    if (!follows("(?")) {
      caseless_.push_back(!caseless_.empty() && caseless_.back());
      return take(1);
    }
    for (const std::string_view known : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"})
      if (follows(known)) {
        caseless_.push_back(known == "(?i:" || (!caseless_.empty() && caseless_.back()));
        return take(known.size());
      }
    refuse(regex_.substr(at_, 4));
  }

  /// {2}, {2,} and {2,3}. Ruby reads a '+' or '?' behind them in a way of its own.
  void repetition() {
    size_t end = at_ + 1, digits = 0, commas = 0;
    for (; end < regex_.size() && (is_digit(regex_[end]) || (regex_[end] == ',' && digits > 0)); ++end)
      ++(is_digit(regex_[end]) ? digits : commas);
    const bool good = end < regex_.size() && regex_[end] == '}' && digits > 0 && commas < 2;
    const char behind = end + 1 < regex_.size() ? regex_[end + 1] : ' ';
    if (!good || behind == '+' || behind == '?') refuse(regex_.substr(at_, end + 2 - at_));
    take(end + 1 - at_);
  }

  /// [...]: characters, ranges and classes.
  void set() {
    take(1);
    if (follows("^")) take(1);
    if (follows("]")) refuse("[]");
    while (at_ < regex_.size() && regex_[at_] != ']') {
      if (follows("[") || follows("&&")) refuse(regex_.substr(at_, 2));
      if (regex_[at_] == '\\') {
        escape(true);
      } else {
        check_caseless(' ');
        take(1);
      }
    }
    if (at_ < regex_.size()) take(1);
  }

  void escape(bool in_set) {
    const char kind = at_ + 1 < regex_.size() ? regex_[at_ + 1] : ' ';
    const auto put = [&](const std::string& text) {
      out_ += text;
      at_ += 2;
    };
    const std::string spaces(kSpaces);
    if (kind == 's') return put(in_set ? spaces : "[" + spaces + "]");
    if (kind == 'S' && !in_set) return put("[^" + spaces + "]");
    if (kind == 'd') return put("\\p{Nd}");
    if (kind == 'D') return put("\\P{Nd}");
    if (kind == 'p' || kind == 'P') return property();
    if (kind == 'u' || kind == 'x') return code_point();
    const bool same = kind == 'r' || kind == 'n' || kind == 't' || kind == 'f';
    const bool sign = kind > ' ' && kind < 0x7f && !is_digit(kind) && !is_ascii_letter(kind);
    const bool place = !in_set && (kind == 'A' || kind == 'z');  // a text's begin and end
    if (!same && !sign && !place) refuse(regex_.substr(at_, 2));
    take(2);
  }

  void property() {
    const size_t end = regex_.find('}', at_);
    const std::string name =
        follows("\\p{") || follows("\\P{") ? regex_.substr(at_ + 3, end - std::min(end, at_ + 3)) : "";
    // Scripts too have names that both know, but PCRE2 10.40 began to count characters of several scripts.
    if (end == std::string::npos || std::ranges::find(kCategories, name) == kCategories.end())
      refuse(regex_.substr(at_, std::min<size_t>(end - at_ + 1, 20)));
    take(end + 1 - at_);
  }

  /// \u2581, \x{2581}; \x41 is a byte to Oniguruma.
  void code_point() {
    const bool braces = follows("\\x{");
    const size_t begin = at_ + (braces ? 3 : 2);
    size_t end = begin;
    while (end < regex_.size() && std::isxdigit(static_cast<unsigned char>(regex_[end])) &&
           end < begin + (braces ? 6 : 4))
      ++end;
    const bool good = braces ? end > begin && end < regex_.size() && regex_[end] == '}'
                             : regex_[at_ + 1] == 'u' && end == begin + 4;
    if (!good) refuse(regex_.substr(at_, 8));
    out_ += "\\x{" + regex_.substr(begin, end - begin) + "}";
    at_ = end + (braces ? 1 : 0);
  }

  const std::string& regex_;
  const std::string& where_;
  std::string out_;
  size_t at_ = 0;
  std::vector<bool> caseless_;  // of the groups that are open
};

}  // namespace

std::string pcre2_regex(const std::string& onig, const std::string& where) {
  return Translator(onig, where).run();
}

}  // namespace scca
