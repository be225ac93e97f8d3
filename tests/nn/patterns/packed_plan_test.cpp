#include "nn/patterns/packed_plan.h"

#include <doctest/doctest.h>

#include "nn/patterns/pattern.h"
#include "nn/patterns/spec.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

/// By plain counting: the number of the document that a position stands in, rows apart.
std::vector<int64_t> document_of(int64_t rows, int64_t tokens, const DocumentStarts& starts) {
  std::vector<int64_t> of;
  int64_t document = -1;
  for (int64_t i = 0; i < rows * tokens; ++i) {
    if (i % tokens == 0 || std::ranges::find(starts, i) != starts.end()) ++document;
    of.push_back(document);
  }
  return of;
}

void check_pairs(const PlanPtr& plan, int64_t rows, const DocumentStarts& starts) {
  const PlanPtr packed = packed_plan(plan, rows, starts);
  validate(*packed);
  const std::vector<int64_t> document = document_of(rows, plan->tokens, starts);
  int64_t wrong = 0, pairs = 0, counted = 0;
  for (size_t head = 0; head < plan->heads.size(); ++head) {
    counted += visible_pairs(*packed->heads[head], packed->causal);
    for (int64_t query = 0; query < packed->tokens; ++query)
      for (int64_t key = 0; key < packed->tokens; ++key) {
        const bool together = document[static_cast<size_t>(query)] == document[static_cast<size_t>(key)];
        const bool expected =
            together && sees(*plan, static_cast<int64_t>(head), query % plan->tokens, key % plan->tokens);
        pairs += expected;
        wrong += sees(*packed, static_cast<int64_t>(head), query, key) != expected;
      }
  }
  CHECK(wrong == 0);
  CHECK(counted == pairs);  // what time follows
}

}  // namespace

TEST_CASE("packed plan: every pattern, seen by those of the same row and document alone") {
  for (const PatternEntry& entry : registered_patterns())
    for (const std::string& spec : entry.examples) {
      INFO(spec);
      const AttentionSpec parsed = parse_attention_spec(spec);
      check_pairs(parsed.plan(31, 5), 2, {0, 1, 9, 30, 31, 45, 61});
      check_pairs(parsed.plan(33, 4), 1, {7, 8, 20});
    }
}

TEST_CASE("packed plan: queries on both sides of their keys, and a sliding window") {
  const auto both = std::make_shared<AttentionPlan>(*full_plan(13, 2, false));
  check_pairs(both, 2, {4, 17});
  auto near = std::make_shared<HeadPlan>();
  near->push_back({{0, 1, 13}, {KeySlice{{0, 1, 13}, 3}}});
  both->heads[1] = near;
  check_pairs(both, 2, {4, 17, 18});
}

TEST_CASE("packed plan: one whole document is the plan itself, and heads go on sharing lists") {
  const PlanPtr plan = full_plan(7, 3);
  CHECK(packed_plan(plan, 1, {}) == plan);
  CHECK(packed_plan(plan, 1, std::vector<int64_t>{0}) == plan);
  const PlanPtr packed = packed_plan(plan, 2, std::vector<int64_t>{3});
  CHECK(packed->heads[0] == packed->heads[2]);
  CHECK(packed->heads[0]->size() == 3);
}

TEST_CASE("packed plan: starts that are no positions in order") {
  const PlanPtr plan = full_plan(7, 1);
  CHECK(error_of([&] {
          packed_plan(plan, 2, std::vector<int64_t>{3, 14});
        }).find("one begins at 14, behind 2 rows of 7 tokens") != std::string::npos);
  CHECK(error_of([&] {
          packed_plan(plan, 2, std::vector<int64_t>{3, 3});
        }).find("one begins at 3 and the one before at 3") != std::string::npos);
  CHECK(error_of([&] {
          packed_plan(plan, 2, std::vector<int64_t>{9, 3});
        }).find("one begins at 3 and the one before at 9") != std::string::npos);
  CHECK(error_of([&] { packed_plan(plan, 2, std::vector<int64_t>{-1}); }).find("one begins at -1") !=
        std::string::npos);
}
