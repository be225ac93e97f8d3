#pragma once
// Regular expressions over the names of layers, as PEFT's settings have them ("layers\\.[0-3]\\..*q_proj").
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

inline constexpr size_t kLongestName = 256;  // of a layer

/// What Python's re and this program read alike, and all that is read: letters, digits and signs; "." for any
/// character, \. \d \D \w \W \s \S, [a-z0-9] and [^...], (...) and (?:...), (?=...) and (?!...), |, * + ? {m}
/// {m,n} (also lazy: whether there is a match is the same), ^ $ \b and \B. Everything else is refused. Time
/// grows with a power of both lengths, whatever the expression: no backtracking.
class NamePattern {
 public:
  /// Throws Error that shows the expression and what in it is not read.
  explicit NamePattern(const std::string& text);

  /// re.fullmatch
  bool matches(const std::string& name) const;
  /// Whether the expression matches the name or what follows one of its dots: PEFT's get_pattern_key,
  /// re.match("(.*\.)?(TEXT)$").
  bool matches_end(const std::string& name) const;

 private:
  friend class NamePatternParser;

  /// A part of the expression; children by their place in nodes_.
  struct Node {
    enum class Kind {
      one_of,
      begin,
      end,
      boundary,
      no_boundary,
      sequence,
      either,
      repeat,
      ahead,
      not_ahead
    } kind = Kind::sequence;
    std::string set = {};  // one_of: the characters
    std::vector<size_t> children = {};
    int least = 0, most = 0;  // repeat
  };
  /// For each place in a name (one more than it has characters) the places where a part may end that begins
  /// there.
  using Relation = std::vector<std::bitset<kLongestName>>;
  Relation relation(size_t node, const std::string& name) const;

  std::vector<Node> nodes_;
  size_t root_ = 0;
};

}  // namespace scca
