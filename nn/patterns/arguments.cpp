#include "nn/patterns/arguments.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/check.h"
#include "core/joined.h"
#include "core/numbers.h"
#include "nn/patterns/parameters.h"
#include "nn/patterns/pattern.h"

namespace scca {
namespace {

constexpr const char* kLength = "tokens or a fraction of the sequence";

/// While parameters_of runs a constructor: whose readers write down what they are asked for. (Patterns inside
/// it have Arguments of their own.)
struct Listing {
  const Arguments* of = nullptr;
  std::vector<Parameter> parameters = {};
};
thread_local Listing listing;

void list(const Arguments* arguments, const std::string& name, const std::string& takes,
          const std::string& standard) {
  if (listing.of == arguments) listing.parameters.push_back({name, takes, standard});
}

}  // namespace

std::vector<Parameter> parameters_of(const PatternEntry& entry) {
  SCCA_CHECK(!entry.examples.empty(), "attention pattern '", entry.name,
             "' is registered without an example");
  const std::string& example = entry.examples.front();
  const std::vector<LayerItem> items = parse_spec_syntax(example);
  Arguments arguments(example, items.at(0).call);
  listing = {&arguments};
  const std::shared_ptr<void> stop(nullptr, [](void*) { listing = {}; });
  entry.make(arguments);
  return std::move(listing.parameters);
}

Parameter sinks_parameter() { return {"sinks", "a whole number from 0 up", "0"}; }

int64_t Length::of(int64_t sequence) const {
  if (!is_fraction()) return numerator_;
  return std::max<int64_t>(1, (numerator_ * sequence + denominator_ - 1) / denominator_);
}

int64_t Length::of_rounded_down(int64_t sequence) const {
  return is_fraction() ? numerator_ * sequence / denominator_ : numerator_;
}

std::optional<bool> Length::less_than(const Length& other) const {
  if (is_fraction() != other.is_fraction()) return std::nullopt;
  if (!is_fraction()) return numerator_ < other.numerator_;
  return numerator_ * other.denominator_ < other.numerator_ * denominator_;
}

std::string Length::to_string() const {
  return is_fraction() ? concat(numerator_, "/", denominator_) : concat(numerator_);
}

Arguments::Arguments(std::string_view source, const Call& call, std::optional<int64_t> at)
    : source_(source), call_(call), at_(at) {
  for (size_t i = 0; i < call.arguments.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (const Argument& a = call.arguments[i]; !a.key.empty() && a.key == call.arguments[j].key)
        spec_error(source, a.key_at, concat(call.word, ": parameter '", a.key, "' is given twice"));
}

Length Arguments::length(const std::string& name, Length standard) {
  list(this, name, kLength, standard.to_string());
  const Argument* argument = find(name);
  Length value = argument ? read_length(name, *argument) : standard;
  if (value == Length::tokens(0)) reject(name, concat(name, " is 0, expected at least 1 token"));
  if (at_) value = Length::tokens(value.of(*at_));
  if (!value.is_fraction()) longest_ = std::max(longest_, value.of(1));
  if (value != standard) note(name + "=" + value.to_string());
  return value;
}

std::optional<Length> Arguments::length_if_given(const std::string& name) {
  list(this, name, kLength, "");
  const Argument* argument = find(name);
  if (!argument) return std::nullopt;
  Length value = read_length(name, *argument);
  if (value == Length::tokens(0)) reject(name, concat(name, " is 0, expected at least 1 token"));
  if (at_) value = Length::tokens(value.of(*at_));
  note(name + "=" + value.to_string());
  return value;
}

std::optional<Length> Arguments::optional_length(const std::string& name) {
  list(this, name, kLength, "");
  const Argument* argument = find(name);
  if (!argument) return std::nullopt;
  Length value = read_length(name, *argument);
  if (at_) value = Length::tokens(value.of_rounded_down(*at_));
  note(name + "=" + value.to_string());
  return value;
}

int64_t Arguments::integer(const std::string& name, int64_t standard, int64_t at_least) {
  list(this, name, concat("a whole number from ", at_least, " up"), concat(standard));
  const Argument* argument = find(name);
  if (!argument) return standard;
  const std::optional<int64_t> value = to_integer(argument->value.word);
  if (!value || *value < at_least || argument->value.parentheses)
    reject(name, concat(name, " is '", argument->value.word, "'", why_no_integer(argument->value.word),
                        ", expected a whole number from ", at_least, " up"));
  if (*value != standard) note(concat(name, "=", *value));
  return *value;
}

std::string Arguments::choice(const std::string& name, const std::vector<std::string>& words) {
  list(this, name, "one of " + joined(words), words.front());
  const Argument* argument = find(name);
  if (!argument) return words.front();
  const std::string& word = argument->value.word;
  if (std::find(words.begin(), words.end(), word) == words.end() || argument->value.parentheses)
    reject(name, concat(name, " is '", word, "', expected one of: ", joined(words)));
  if (word != words.front()) note(name + "=" + word);
  return word;
}

std::vector<Part> Arguments::parts() {
  takes_parts_ = true;
  list(this, "", "patterns, each with a weight", "");
  std::vector<Part> result;
  for (const Argument& argument : call_.arguments) {
    if (!argument.key.empty()) continue;
    const NamedPattern part = make_pattern(source_, argument.value, at_);
    result.push_back({part.pattern, argument.weight});
    longest_ = std::max(longest_, part.longest);
    note(argument.weight == 1 ? part.spec : concat(part.spec, "*", argument.weight));
  }
  if (result.empty())
    spec_error(source_, call_.at,
               concat(call_.word, ": expected patterns inside, such as ", call_.word, "(local*2, window)"));
  return result;
}

void Arguments::reject(const std::string& name, std::string_view message) const {
  const Argument* argument = given(name);
  spec_error(source_, argument ? argument->value.at : call_.at, concat(call_.word, ": ", message));
}

std::string Arguments::finish() const {
  const std::string names = takes_.empty() ? "no parameters" : joined(takes_);
  const std::string allowed = takes_parts_ ? "patterns, " + names : names;
  for (const Argument& argument : call_.arguments) {
    if (argument.key.empty()) {
      if (takes_parts_) continue;
      spec_error(source_, argument.key_at,
                 concat(call_.word, ": '", argument.value.word, "' is not of the form name=value; ",
                        call_.word, " takes ", allowed));
    }
    if (std::find(takes_.begin(), takes_.end(), argument.key) == takes_.end())
      spec_error(source_, argument.key_at,
                 concat(call_.word, ": unknown parameter '", argument.key, "'",
                        suggestion(argument.key, takes_), " It takes ", allowed));
  }
  const std::string inside = joined(canonical_, ",");
  return inside.empty() ? call_.word : call_.word + "(" + inside + ")";
}

const Argument* Arguments::find(const std::string& name) {
  takes_.push_back(name);
  return given(name);
}

const Argument* Arguments::given(const std::string& name) const {
  for (const Argument& argument : call_.arguments)
    if (argument.key == name) return &argument;
  return nullptr;
}

Length Arguments::read_length(const std::string& name, const Argument& argument) const {
  const std::string& word = argument.value.word;
  const size_t slash = word.find('/');
  const bool is_tokens = slash == std::string::npos;
  const std::optional<int64_t> numerator =
      is_tokens ? parse_tokens(word, std::numeric_limits<int32_t>::max()) : to_integer(word.substr(0, slash));
  const std::optional<int64_t> denominator = is_tokens ? 0 : to_integer(word.substr(slash + 1));
  if (!numerator || !denominator || argument.value.parentheses)
    reject(name, concat(name, " is '", word, "'", why_no_integer(word),
                        ", expected tokens such as 512 or 2k or a fraction such as 1/4"));
  if (is_tokens) return Length::tokens(*numerator);
  if (*denominator == 0 || *numerator == 0 || *numerator > *denominator)
    reject(name, concat(name, " is '", word, "', expected a fraction above 0 and at most 1"));
  const int64_t divisor = std::gcd(*numerator, *denominator);
  return Length::fraction(*numerator / divisor, *denominator / divisor);
}

}  // namespace scca
