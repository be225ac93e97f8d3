// Plans as JSON: there and back, and what a broken file is told.
#include "nn/patterns/plan_json.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "core/check.h"
#include "nn/patterns/spec.h"

using namespace scca;
using nlohmann::json;

namespace {

std::string complaint(const std::string& text) {
  try {
    plan_from_json(json::parse(text), "p.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string with_heads(const std::string& heads) { return concat(R"({"tokens": 4, "heads": )", heads, "}"); }

}  // namespace

TEST_CASE("plan json: the exact form") {
  CHECK(plan_to_json(*parse_attention_spec("window(chunk=2)").plan(3, 2)) == json::parse(R"({
    "tokens": 3, "causal": true,
    "heads": [[{"queries": [0, 1, 2], "keys": [[0, 1, 2, 2], [2, 1, 1, 2]]},
               {"queries": [2, 1, 1], "keys": [[0, 1, 2, 2], [2, 1, 1, 2]]}],
              [{"queries": [0, 1, 2], "keys": [[0, 1, 2, 2], [2, 1, 1, 2]]},
               {"queries": [2, 1, 1], "keys": [[0, 1, 2, 2], [2, 1, 1, 2]]}]],
    "visible_pairs": [5, 5], "one_layer_share": 0.8333333333333334, "layers_to_full": 2, "empty_rows": 0})"));
  CHECK(plan_to_json(*parse_attention_spec("scca-flow(chunk=1)").plan(2, 2)) == json::parse(R"({
    "tokens": 2, "causal": true,
    "heads": [[{"queries": [0, 1, 1], "keys": [[0, 1, 1]]}, {"queries": [1, 1, 1], "keys": [[1, 1, 1]]}],
              [{"queries": [0, 1, 1], "keys": []}, {"queries": [1, 1, 1], "keys": [[0, 1, 1]]}]],
    "visible_pairs": [2, 1], "one_layer_share": 1.0, "layers_to_full": 1, "empty_rows": 1})"));
  CHECK(plan_to_json(*parse_attention_spec("local").plan(8, 2))["layers_to_full"] == nullptr);
  CHECK(plan_to_json(*parse_attention_spec("full").plan(4097, 2))["layers_to_full"] == nullptr);
}

TEST_CASE("plan json: every registered pattern comes back") {
  for (const PatternEntry& entry : registered_patterns())
    for (const std::string& spec : entry.examples) {
      CAPTURE(spec);
      const PlanPtr plan = parse_attention_spec(spec).plan(33, 9);
      const PlanPtr back = plan_from_json(json::parse(plan_to_json(*plan).dump()), "p.json");
      CHECK(back->tokens == plan->tokens);
      CHECK(back->causal == plan->causal);
      REQUIRE(back->heads.size() == plan->heads.size());
      for (size_t head = 0; head < plan->heads.size(); ++head) {
        CHECK(*back->heads[head] == *plan->heads[head]);
        for (size_t other = 0; other < head; ++other)  // heads that look alike share one list
          CHECK((back->heads[head] == back->heads[other]) == (*plan->heads[head] == *plan->heads[other]));
      }
    }
  AttentionPlan both_ways{2, false, {std::make_shared<const HeadPlan>(HeadPlan{{{0, 1, 2}, {{{0, 1, 2}}}}})}};
  CHECK_FALSE(plan_from_json(plan_to_json(both_ways), "p.json")->causal);
}

TEST_CASE("plan json: a broken plan is told where") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", R"(p.json: found [], expected an object with "tokens")"},
      {"{}", R"(p.json: has no "tokens")"},
      {R"({"tokens": 0})", "p.json: tokens: found 0, expected a whole number from 1 to 67108864"},
      {R"({"tokens": 1e3})", "p.json: tokens: found 1000.0, expected a whole number from 1 to 67108864"},
      {R"({"tokens": 18446744073709551615})",
       "p.json: tokens: found 18446744073709551615, expected a whole number from 1 to 67108864"},
      {R"({"tokens": 4, "causal": 1})", "p.json: causal: found 1, expected true or false"},
      {with_heads("{}"), "p.json: heads: found {}, expected an array"},
      {with_heads("[]"), "p.json: heads: found 0 heads, expected 1 to 4096"},
      {with_heads("[[], 7]"), "p.json: heads[1]: found 7, expected an array"},
      {with_heads("[[7]]"), R"(p.json: heads[0][0]: found 7, expected an object with "queries")"},
      {with_heads(R"([[{"queries": [0, 1, 4]}]])"), R"(p.json: heads[0][0]: has no "keys")"},
      {with_heads(R"([[{"queries": [0, 1, 4, 2], "keys": []}]])"),
       "p.json: heads[0][0].queries: found [0,1,4,2], expected [start, step, count]"},
      {with_heads(R"([[{"queries": [0, 1, 4], "keys": [[0, 0, 4]]}]])"),
       "p.json: heads[0][0].keys[0][1]: found 0, expected a whole number from 1 to 4"},
      {with_heads(R"([[{"queries": [0, 1, 4], "keys": [[4, 1, 1]]}]])"),
       "p.json: heads[0][0].keys[0][0]: found 4, expected a whole number from 0 to 3"},
      {with_heads(R"([[{"queries": [0, 1, 4], "keys": [[0, 1, 4, 0]]}]])"),
       "p.json: heads[0][0].keys[0][3]: found 0, expected a whole number from 1 to 2147483647"},
      {with_heads(R"([[{"queries": [0, 1, 4], "keys": [], "reach": 2}]])"),
       "p.json: heads[0][0]: unknown entry \"reach\", expected \"queries\" and \"keys\" (a reach is the "
       "fourth number "
       "of a key slice)"},
  };
  for (const auto& [text, message] : cases) CHECK(complaint(text) == message);

  // What validate() finds: a query in no tile, one in two, keys beyond the end, slices that overlap
  for (const char* heads : {R"([[{"queries": [0, 1, 3], "keys": []}]])",
                            R"([[{"queries": [0, 1, 4], "keys": []}, {"queries": [3, 1, 1], "keys": []}]])",
                            R"([[{"queries": [0, 1, 4], "keys": [[2, 1, 3]]}]])",
                            R"([[{"queries": [0, 1, 4], "keys": [[0, 1, 3], [2, 1, 1]]}]])"}) {
    CAPTURE(heads);
    CHECK(complaint(with_heads(heads)).starts_with("p.json: not a valid plan: "));
  }
}

TEST_CASE("plan json: a file that is not JSON") {
  const std::string path = "plan_json_test.json";
  std::ofstream(path) << R"({"tokens": 4, )";
  CHECK_THROWS_WITH_AS(
      read_plan(path),
      doctest::Contains("attention plan plan_json_test.json: not JSON: parse error at line 1, column 15"),
      Error);
  std::remove(path.c_str());
}
