// Sinks in every pattern: the plan against the predicate, and what a spec with them says.
#include "nn/patterns/sinks.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "nn/patterns/check_plan.h"
#include "nn/patterns/packed_plan.h"
#include "nn/patterns/parameters.h"
#include "nn/patterns/spec.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

/// local -> local(sinks=3), local(chunk=5) -> local(chunk=5,sinks=3)
std::string with(const std::string& spec, int64_t sinks) {
  const std::string argument = "sinks=" + std::to_string(sinks);
  if (!spec.ends_with(')')) return spec + "(" + argument + ")";
  return spec.substr(0, spec.size() - 1) + "," + argument + ")";
}

}  // namespace

TEST_CASE(
    "sinks: in every registered pattern every query sees them besides what it sees, and no pair twice") {
  for (const PatternEntry& entry : registered_patterns())
    for (const std::string& example : entry.examples) {
      if (example.find("sinks=") != std::string::npos) continue;
      const PatternPtr plain = parse_pattern(example);
      for (const int64_t sinks : {1, 4, 40}) {
        const std::string spec = with(example, sinks);
        CAPTURE(spec);
        CHECK(parse_attention_spec(spec).to_string() == spec);
        const PatternPtr pattern = parse_pattern(spec);
        for (const int64_t tokens : {1, 3, 33, 77})
          for (const int64_t heads : {1, 3, 8}) {
            CAPTURE(tokens);
            CHECK(error_of([&] { check_plan(*pattern, {tokens, heads}); }) == "no error");
            int64_t wrong = 0;  // check_plan takes the predicate's word; this is the predicate's own
            for (int64_t head = 0; head < heads; ++head)
              for (int64_t query = 0; query < tokens; ++query)
                for (int64_t key = 0; key <= query; ++key)
                  wrong += pattern->visible({tokens, heads}, head, query, key) !=
                           (key < sinks || plain->visible({tokens, heads}, head, query, key));
            CHECK(wrong == 0);
          }
      }
    }
}

TEST_CASE("sinks: of parts and of the whole, and heads that look alike still share a list") {
  const auto sees_first = [](const char* spec, int64_t head) {
    return sees(*parse_attention_spec(spec).plan(32, 4), head, 31, 1);
  };
  CHECK(sees_first("mix(local(sinks=2),local)", 0));
  CHECK(!sees_first("mix(local(sinks=2),local)", 2));
  CHECK(!sees_first("mix(local(sinks=1),local)", 0));
  for (int64_t head = 0; head < 4; ++head) CHECK(sees_first("mix(local,window,sinks=2)", head));
  CHECK_NOTHROW(check_plan(*parse_pattern("mix(local(sinks=5),window(sinks=2),sinks=3)"), {33, 4}));
  const PlanPtr plan = parse_attention_spec("scca-fixed(sinks=4)").plan(64, 8);
  CHECK(plan->heads[0] == plan->heads[3]);
  CHECK(plan->heads[0] != plan->heads[4]);
}

TEST_CASE("sinks: what the list says of the parameter is what its reader says") {
  const Parameter listed = sinks_parameter();
  CHECK(error_of([&] {
          parse_attention_spec("local(" + listed.name + "=x)");
        }).find(listed.name + " is 'x', expected " + listed.takes) != std::string::npos);
  CHECK(parse_attention_spec("local(" + listed.name + "=" + listed.standard + ")").to_string() == "local");
}

TEST_CASE("sinks: none is the pattern without them, and what is no number is refused") {
  CHECK(parse_attention_spec("local(sinks=0)").to_string() == "local");
  CHECK(*parse_attention_spec("local(sinks=0)").plan(33, 1)->heads[0] ==
        *parse_attention_spec("local").plan(33, 1)->heads[0]);
  CHECK(error_of([] {
          parse_attention_spec("local(sinks=1/4)");
        }).find("sinks is '1/4', expected a whole number from 0 up") != std::string::npos);
  CHECK(error_of([] { parse_attention_spec("local(sink=4)"); }).find("did you mean 'sinks'?") !=
        std::string::npos);
  CHECK_THROWS_AS(with_sinks(parse_pattern("local"), 0), Error);
}

TEST_CASE("sinks: of packed documents the first of a row alone has them") {
  const PlanPtr row = parse_attention_spec("local(chunk=4,sinks=2)").plan(16, 1);
  const DocumentStarts starts{9, 16};
  const PlanPtr packed = packed_plan(row, 2, starts);
  CHECK(sees(*packed, 0, 8, 1));     // in the first document
  CHECK(!sees(*packed, 0, 15, 1));   // another's
  CHECK(!sees(*packed, 0, 15, 10));  // and it has none of its own
  CHECK(sees(*packed, 0, 31, 17));   // the second row's
  CHECK(!sees(*packed, 0, 31, 1));
}
