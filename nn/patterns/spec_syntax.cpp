#include "nn/patterns/spec_syntax.h"

#include <algorithm>
#include <limits>

#include "core/check.h"
#include "core/numbers.h"
#include "core/spelling.h"
#include "nn/patterns/bounds.h"

namespace scca {
namespace {

constexpr int kDeepest =
    16;  // patterns inside patterns; a bound, so that hostile input cannot exhaust the stack

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) { return !is_space(c) && std::string_view("()=,;*@").find(c) == std::string_view::npos; }

class Parser {
 public:
  explicit Parser(std::string_view source) : source_(source) {}

  std::vector<LayerItem> items() {
    std::vector<LayerItem> result;
    do result.push_back(item());
    while (take(';'));
    if (!at_end()) expected("';', '@' and layers, or the end (to share the heads, write mix(a, b))");
    return result;
  }

 private:
  bool at_end() {
    while (at_ < source_.size() && is_space(source_[at_])) ++at_;
    return at_ == source_.size();
  }

  bool take(char c) {
    if (at_end() || source_[at_] != c) return false;
    ++at_;
    return true;
  }

  [[noreturn]] void expected(std::string_view what) {
    const std::string found = at_end() ? "the end" : concat("'", source_[at_], "'");
    spec_error(source_, at_, concat("found ", found, ", expected ", what));
  }

  std::string word(std::string_view what) {
    if (at_end() || !is_word(source_[at_])) expected(what);
    const size_t begin = at_;
    while (at_ < source_.size() && is_word(source_[at_])) ++at_;
    return std::string(source_.substr(begin, at_ - begin));
  }

  int64_t integer(std::string_view what) {
    at_end();
    const size_t begin = at_;
    const std::string digits = word(what);
    const std::optional<int64_t> value = to_integer(digits);
    if (!value)
      spec_error(source_, begin, concat("found '", digits, "'", why_no_integer(digits), ", expected ", what));
    return *value;
  }

  LayerItem item() {
    LayerItem result{call("a pattern", 0), {}, {}};
    if (!take('@')) return result;
    do {
      at_end();
      result.layers_at.push_back(at_);
      result.layers.push_back(integer("a layer's number (the first is 0)"));
      if (result.layers.back() >= kMostLayers)
        spec_error(source_, result.layers_at.back(),
                   concat("found layer ", result.layers.back(), ", expected 0 to ", kMostLayers - 1));
    } while (take(','));
    return result;
  }

  Call call(std::string_view what, int depth) {
    at_end();
    if (depth > kDeepest)
      spec_error(source_, at_, concat("more than ", kDeepest, " patterns inside each other"));
    Call result;
    result.at = at_;
    result.word = word(what);
    if (!take('(')) return result;
    result.parentheses = true;
    if (take(')')) return result;
    do result.arguments.push_back(argument(depth + 1));
    while (take(','));
    if (!take(')')) expected("',' or ')'");
    return result;
  }

  Argument argument(int depth) {
    Argument result;
    result.value = call("a parameter or a pattern", depth);
    result.key_at = result.value.at;
    if (!result.value.parentheses && take('=')) {
      result.key = std::move(result.value.word);
      result.value = call("a value", depth);
    } else if (take('*')) {
      at_end();
      const size_t begin = at_;
      result.weight = integer("a weight: a whole number from 1 up");
      if (result.weight == 0)
        spec_error(source_, begin, "found '0', expected a weight: a whole number from 1 up");
    }
    return result;
  }

  std::string_view source_;
  size_t at_ = 0;
};

}  // namespace

std::vector<LayerItem> parse_spec_syntax(std::string_view source) { return Parser(source).items(); }

void spec_error(std::string_view source, size_t at, std::string_view message) {
  constexpr size_t kAround = 200;         // bytes that are shown before and behind the place
  const auto continues = [&](size_t i) {  // the later bytes of a UTF-8 character
    return i < source.size() && (static_cast<unsigned char>(source[i]) & 0xc0) == 0x80;
  };
  size_t begin = at > kAround ? at - kAround : 0, end = std::min(source.size(), at + kAround);
  while (begin < at && continues(begin)) ++begin;
  while (end > at && continues(end)) --end;
  std::string shown = begin > 0 ? "..." : "", caret(shown.size(), ' ');
  for (size_t i = begin; i < end; ++i) {
    // A tab or a line's end would put the caret in the wrong column.
    shown += static_cast<unsigned char>(source[i]) < ' ' ? ' ' : source[i];
    if (i < at && !continues(i)) caret += ' ';
  }
  if (end < source.size()) shown += "...";
  fail<UsageError>("attention spec: ", message, "\n  ", shown, "\n  ", caret, "^");
}

std::optional<int64_t> to_integer(std::string_view word) {
  const std::optional<uint64_t> value = parse_whole(word, std::numeric_limits<int32_t>::max());
  return value ? std::optional(static_cast<int64_t>(*value)) : std::nullopt;
}

std::string why_no_integer(std::string_view word) {
  const size_t slash = std::min(word.find('/'), word.size());
  for (const std::string_view part : {word.substr(0, slash), word.substr(std::min(slash + 1, word.size()))})
    if (!part.empty() && part.find_first_not_of("0123456789") == part.npos && !to_integer(part))
      return concat(", which is more than ", std::numeric_limits<int32_t>::max());
  return "";
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = nearest_word(word, known);
  return nearest ? concat(", did you mean '", *nearest, "'?") : ".";
}

}  // namespace scca
