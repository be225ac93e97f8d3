#pragma once
// A place in a text: a literal, or a regular expression of tokenizer.json, by PCRE2.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace scca {

struct PatternText {
  std::string text;
  bool is_regex = false;

  bool operator==(const PatternText&) const = default;
};

struct TextRange {
  size_t begin = 0, end = 0;
};

/// A regular expression in Oniguruma's Ruby syntax, which `tokenizers` uses, as PCRE2 spells it. Where both
/// spell alike but mean different things (\h, \w, $, {1,3}+) and for what tokenizers have no use for, throws
/// Error beginning with `where`.
std::string pcre2_regex(const std::string& onig, const std::string& where);

class TextPattern {
 public:
  /// Throws Error beginning with `where` as pcre2_regex, and for an expression that PCRE2 does not take, that
  /// may match nothing at all, or an empty literal.
  TextPattern(const PatternText& pattern, const std::string& where);
  ~TextPattern();

  /// The matches in one text, from its start on, one behind the other. One at a time: not for several
  /// threads, but a pattern has as many as are wanted.
  class Matches {
   public:
    /// `text` is valid UTF-8.
    Matches(const TextPattern& pattern, std::string_view text);
    ~Matches();
    void restart(std::string_view text);
    /// False behind the last one. Throws Error for an expression that takes too long.
    bool next(TextRange& range);

   private:
    struct State;
    const TextPattern& pattern_;
    std::string_view text_;
    size_t from_ = 0;
    std::unique_ptr<State> state_;
  };

 private:
  struct Regex;
  PatternText text_;
  std::string where_;
  std::unique_ptr<Regex> regex_;
};

}  // namespace scca
