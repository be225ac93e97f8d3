#include "ops/attention_plan.h"

#include <doctest/doctest.h>

#include "core/check.h"

using namespace scca;

namespace {

AttentionPlan plan_of(int64_t tokens, HeadPlan head, bool causal = true) {
  AttentionPlan plan;
  plan.tokens = tokens;
  plan.causal = causal;
  plan.heads.push_back(std::make_shared<const HeadPlan>(std::move(head)));
  return plan;
}

KeySlice keys(int64_t start, int64_t step, int64_t count, int64_t reach = kUnlimited) {
  return {{start, step, count}, reach};
}

int64_t counted(const AttentionPlan& plan) {
  int64_t pairs = 0;
  for (int64_t i = 0; i < plan.tokens; ++i)
    for (int64_t j = 0; j < plan.tokens; ++j) pairs += sees(plan, 0, i, j);
  return pairs;
}

}  // namespace

TEST_CASE("attention_plan: count_below agrees with counting") {
  for (const Slice slice : {Slice{0, 1, 7}, Slice{3, 1, 1}, Slice{2, 3, 5}, Slice{5, 7, 4}, Slice{0, 2, 0}}) {
    for (int64_t bound = -3; bound < 40; ++bound) {
      int64_t below = 0;
      for (int64_t i = 0; i < slice.count; ++i) below += slice.at(i) < bound;
      CHECK(slice.count_below(bound) == below);
    }
  }
}

TEST_CASE("attention_plan: a query's keys are one run, found by arithmetic") {
  for (const int64_t reach : {int64_t{1}, int64_t{4}, int64_t{11}, kUnlimited}) {
    for (const KeySlice slice : {keys(0, 1, 20, reach), keys(2, 3, 5, reach), keys(9, 2, 4, reach)}) {
      for (const bool causal : {true, false}) {
        for (int64_t query = 0; query < 25; ++query) {
          for (int64_t i = 0; i < slice.count; ++i) {
            const bool visible = std::abs(query - slice.at(i)) < reach && (!causal || slice.at(i) <= query);
            CHECK((i >= slice.begin_for(query) && i < slice.end_for(query, causal)) == visible);
          }
        }
      }
    }
  }
}

TEST_CASE("attention_plan: full_plan sees everything, or everything before") {
  for (const int64_t tokens : {1, 31, 33}) {
    const PlanPtr causal = full_plan(tokens, 3), both = full_plan(tokens, 3, false);
    CHECK(causal->heads.size() == 3);
    CHECK(causal->heads[0] == causal->heads[2]);
    CHECK(visible_pairs(*causal->heads[0], true) == tokens * (tokens + 1) / 2);
    CHECK(visible_pairs(*both->heads[0], false) == tokens * tokens);
    CHECK(counted(*causal) == tokens * (tokens + 1) / 2);
    CHECK(counted(*both) == tokens * tokens);
  }
  CHECK(sees(*full_plan(5, 1), 0, 3, 3));
  CHECK_FALSE(sees(*full_plan(5, 1), 0, 3, 4));
}

TEST_CASE("attention_plan: visible pairs are those that sees() counts") {
  // Even queries see odd keys; odd queries a window of the even keys.
  const HeadPlan head = {{{0, 2, 17}, {keys(1, 2, 16)}}, {{1, 2, 16}, {keys(0, 2, 17, 7)}}};
  for (const bool causal : {true, false}) {
    const AttentionPlan plan = plan_of(33, head, causal);
    validate(plan);
    CHECK(visible_pairs(head, causal) == counted(plan));
  }
}

TEST_CASE("attention_plan: a broken invariant is named") {
  const auto message = [](const AttentionPlan& plan) -> std::string {
    try {
      validate(plan);
    } catch (const Error& error) {
      return error.what();
    }
    return "valid";
  };
  const Slice all{0, 1, 8};
  CHECK(message(plan_of(8, {{all, {}}})) == "valid");
  CHECK(message(plan_of(8, {{{0, 2, 4}, {keys(0, 1, 4)}}, {{1, 2, 4}, {keys(0, 1, 4, 3)}}})) == "valid");
  CHECK(message(plan_of(0, {})) == "attention plan: 0 tokens, expected at least 1");
  CHECK(message(plan_of(8, {{{0, 1, 7}, {}}})) ==
        "attention plan: head 0: position 7 is a query of no tile; every position belongs to exactly one "
        "(its keys "
        "may be none)");
  CHECK(message(plan_of(8, {{all, {}}, {{3, 1, 1}, {}}})) ==
        "attention plan: head 0, tile 1: position 3 is already a query of tile 0; every position belongs to "
        "exactly "
        "one");
  CHECK(message(plan_of(8, {{all, {keys(4, 2, 3)}}})) ==
        "attention plan: head 0, tile 0: keys [4, 2, 3] span 4 .. 8, outside the 8 tokens");
  CHECK(message(plan_of(8, {{all, {keys(0, 2, 4), keys(5, 1, 2)}}})) ==
        "attention plan: head 0, tile 0: keys [5, 1, 2] and [0, 2, 4] share position 6; two key slices of a "
        "head are "
        "identical or disjoint");
  CHECK(message(plan_of(8, {{all, {keys(0, 2, 4), keys(0, 2, 4, 5)}}})) ==
        "attention plan: head 0, tile 0: lists keys [0, 2, 4] twice; a key counts once");
  CHECK(message(plan_of(8, {{all, {keys(0, 1, 0)}}})) ==
        "attention plan: head 0, tile 0: keys [0, 1, 0] are empty; leave them out");
  CHECK(message(plan_of(8, {{all, {keys(0, 0, 2)}}})) ==
        "attention plan: head 0, tile 0: keys [0, 0, 2] have a step below 1");
  CHECK(message(plan_of(8, {{all, {keys(0, 1, 2, 0)}}})) ==
        "attention plan: head 0, tile 0: reach is 0, so no query sees these keys; it is 1 or more");
}
