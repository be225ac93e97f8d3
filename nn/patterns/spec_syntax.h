#pragma once
// The grammar of an attention spec, without any knowledge of patterns:
//   spec     = item { ";" item }            scca-flow;full@0,1
//   item     = call [ "@" layer { "," layer } ]
//   call     = word [ "(" [ argument { "," argument } ] ")" ]
//   argument = word "=" call | call [ "*" weight ]
// A word is any run of characters other than ( ) = , ; * @ and white space, so 1/4 and scca-fixed are words.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scca {

struct Argument;

struct Call {
  std::string word;
  size_t at = 0;             // where the word stands in the spec, in bytes
  bool parentheses = false;  // local() as against local
  std::vector<Argument> arguments;
};

struct Argument {
  std::string key;  // empty for a pattern inside another: mix(local)
  size_t key_at = 0;
  Call value;
  int64_t weight = 1;
};

struct LayerItem {
  Call call;
  std::vector<int64_t> layers;  // empty: every layer that no other item names
  std::vector<size_t> layers_at;
};

/// Throws UsageError (spec_error) at the first place that the grammar does not allow.
std::vector<LayerItem> parse_spec_syntax(std::string_view source);

/// Throws UsageError: the message, then the spec and a caret under byte `at`.
[[noreturn]] void spec_error(std::string_view source, size_t at, std::string_view message);

/// A number of decimal digits and nothing else, at most 2^31 - 1: products of two of them never overflow.
std::optional<int64_t> to_integer(std::string_view word);

/// For a message after 'word': ", which is more than 2147483647" when that is why to_integer refuses it, or a
/// side of a fraction; else "".
std::string why_no_integer(std::string_view word);

/// ", did you mean 'x'?" for the nearest of `known`, or "." when none is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace scca
