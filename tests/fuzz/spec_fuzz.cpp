// An attention spec, with two bytes in front for tokens and heads. Promise: it prints itself, and its plan
// says what its predicate says.
#include "nn/patterns/check_plan.h"
#include "nn/patterns/spec.h"
#include "tests/fuzz/fuzz.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  const Extent extent{1 + take_number(input, 32), 1 + take_number(input, 8)};
  const size_t first = input.find_first_not_of(" \t\r\n");
  if (first != input.npos && input[first] == '@') {  // a file's name; plan_fuzz.cpp takes its content
    if (input.find('\0') != input.npos) parse_attention_spec(input);  // which no file has
    return;
  }
  const AttentionSpec spec = parse_attention_spec(input);
  const std::string printed = spec.to_string();
  promise(parse_attention_spec(printed).to_string() == printed, "'", input, "' prints as '", printed,
          "', which does not print itself");
  for (int64_t layer = 0; layer < std::min<int64_t>(spec.distinct_layers(), 4); ++layer)
    validate(*spec.plan(extent.tokens, extent.heads, layer));
  if (input.find_first_of("@;") != std::string_view::npos) return;  // layers: parse_pattern takes one pattern
  const PatternPtr pattern = parse_pattern(input);
  pattern->plan(extent);  // may refuse the extent
  try {
    check_plan(*pattern, extent);
  } catch (const Error& error) {
    throw Broken(concat(printed, " at ", extent.tokens, " tokens, ", extent.heads, " heads: ", error.what()));
  }
}

const RegisterFuzz line("spec", take);

}  // namespace
}  // namespace scca::test
