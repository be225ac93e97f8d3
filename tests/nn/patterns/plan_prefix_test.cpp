#include "nn/patterns/plan_prefix.h"

#include <doctest/doctest.h>

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

}  // namespace

TEST_CASE("attention plan: a longer plan continues a shorter one when its earlier queries see the same") {
  // chunks of 3, the second one begun
  const HeadPlan begun{{{0, 1, 3}, {keys(0, 1, 3)}}, {{3, 1, 1}, {keys(3, 1, 1)}}};
  const HeadPlan grown{{{0, 1, 3}, {keys(0, 1, 3)}}, {{3, 1, 2}, {keys(3, 1, 2)}}};
  const AttentionPlan four = plan_of(4, begun), five = plan_of(5, grown);
  CHECK(continues(five, four));
  CHECK(continues(four, four));
  CHECK(!continues(four, five));
  // chunks of 2; a shorter reach; no keys; one more head; a plan in which earlier tokens see later ones
  CHECK(!continues(plan_of(5, {{{0, 1, 2}, {keys(0, 1, 2)}}, {{2, 1, 3}, {keys(2, 1, 3)}}}), four));
  CHECK(!continues(plan_of(5, {{{0, 1, 3}, {keys(0, 1, 3, 2)}}, {{3, 1, 2}, {keys(3, 1, 2, 2)}}}), four));
  CHECK(!continues(plan_of(5, {{{0, 1, 5}, {}}}), plan_of(4, {{{0, 1, 4}, {keys(0, 1, 4)}}})));
  AttentionPlan more = five;
  more.heads.push_back(five.heads[0]);
  CHECK(!continues(more, four));
  more = four;
  more.heads.push_back(plan_of(4, {{{0, 1, 4}, {keys(0, 1, 4)}}}).heads[0]);
  CHECK(!continues(plan_of(5, grown), more));
  CHECK(!continues(plan_of(5, grown, false), plan_of(4, begun, false)));
  // residue classes: one position alone is written with step 1
  const HeadPlan two{{{0, 1, 1}, {keys(0, 1, 1)}}, {{1, 1, 1}, {keys(1, 1, 1)}}};
  CHECK(continues(plan_of(5, {{{0, 2, 3}, {keys(0, 2, 3)}}, {{1, 2, 2}, {keys(1, 2, 2)}}}), plan_of(2, two)));
}
