#pragma once
// What a pattern reads its parameters from. Every reader states the parameter's name, so that the list of
// what a pattern takes, the errors and the canonical form all follow from the pattern's own constructor.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/patterns/spec_syntax.h"

namespace scca {

class Pattern;

/// A number of tokens, or a fraction of the sequence such as 1/4.
class Length {
 public:
  static Length tokens(int64_t count) { return {count, 0}; }
  static Length fraction(int64_t numerator, int64_t denominator) { return {numerator, denominator}; }

  bool is_fraction() const { return denominator_ != 0; }
  /// At a sequence of so many tokens: a fraction rounds up, and is at least 1 ...
  int64_t of(int64_t sequence) const;
  /// ... or rounds down: a shift that is a smaller fraction than the chunk is then
  /// a smaller number at any length.
  int64_t of_rounded_down(int64_t sequence) const;
  /// nullopt when one is a fraction and the other is not.
  std::optional<bool> less_than(const Length& other) const;
  std::string to_string() const;
  bool operator==(const Length&) const = default;

 private:
  Length(int64_t numerator, int64_t denominator) : numerator_(numerator), denominator_(denominator) {}
  int64_t numerator_, denominator_;  // denominator 0: numerator tokens
};

/// A pattern inside another one, and what weight its share of the heads has.
struct Part {
  std::shared_ptr<const Pattern> pattern;
  int64_t weight;
};

/// All readers throw UsageError with the place in the spec when the value has no meaning.
class Arguments {
 public:
  /// With `at` tokens, every length that is read is one in tokens: a fraction's, at a sequence of so many.
  Arguments(std::string_view source, const Call& call, std::optional<int64_t> at = {});

  /// At least 1 token; `standard` when not given.
  Length length(const std::string& name, Length standard);
  /// The same without a default: nullopt when not given.
  std::optional<Length> length_if_given(const std::string& name);
  /// Tokens or a fraction, 0 allowed; nullopt when not given.
  std::optional<Length> optional_length(const std::string& name);
  int64_t integer(const std::string& name, int64_t standard, int64_t at_least);
  /// One of these words, the first when not given.
  std::string choice(const std::string& name, const std::vector<std::string>& words);
  /// The patterns inside: mix(local*2, window). At least one.
  std::vector<Part> parts();

  /// The longest length in tokens that was read, also inside parts; 0 where all are fractions.
  int64_t longest() const { return longest_; }

  /// Throws UsageError pointing at the value of this parameter.
  [[noreturn]] void reject(const std::string& name, std::string_view message) const;
  /// Throws UsageError at an argument that nothing has read; returns the canonical spec: the parameters in
  /// the order they were read, without those that have their standard value.
  std::string finish() const;

 private:
  const Argument* find(const std::string& name);
  const Argument* given(const std::string& name) const;
  Length read_length(const std::string& name, const Argument& argument) const;
  void note(const std::string& text) { canonical_.push_back(text); }

  std::string_view source_;
  const Call& call_;
  std::optional<int64_t> at_;
  std::vector<std::string> takes_, canonical_;
  bool takes_parts_ = false;
  int64_t longest_ = 0;
};

}  // namespace scca
