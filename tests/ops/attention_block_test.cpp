#include "ops/attention_block.h"

#include <doctest/doctest.h>

#include "tests/ops/attention_plans.h"

using namespace scca;
using namespace scca::cpu;
using namespace scca::test;

namespace {

std::vector<int64_t> positions_of(const KeyBlock& block) {
  return {block.position, block.position + block.count};
}

std::vector<int64_t> coming(const KeyWalk& walk) {
  std::vector<int64_t> positions;
  walk.peek([&](int64_t position) { positions.push_back(position); });
  return positions;
}

}  // namespace

TEST_CASE("attention block: a walk comes to every key that any query sees, once, and knows who sees it") {
  const int64_t tokens = 500;
  for (const auto& [name, plan] : plans_of_every_kind(tokens, 3)) {
    CAPTURE(name);
    for (size_t head = 0; head < plan->heads.size(); ++head) {
      for (const int64_t first_query : {0, 130}) {
        for (const QueryBlock& block : query_blocks(*plan->heads[head], first_query)) {
          std::vector<int> met(tokens);
          KeyWalk walk(block, plan->causal);
          for (KeyBlock keys; walk.next(keys);) {
            bool whole = true;
            for (int64_t key = 0; key < keys.count; ++key) {
              const int64_t position = keys.position[key];
              ++met[static_cast<size_t>(position)];
              bool known = true;
              for (int64_t i = 0; i < block.queries.count; ++i) {
                const bool seen = sees(*plan, static_cast<int64_t>(head), block.queries.at(i), position);
                known &= seen == (i >= keys.first[key] && i < keys.last[key]);
                whole &= seen;
              }
              REQUIRE(known);
            }
            REQUIRE(keys.whole == whole);
          }
          for (int64_t position = 0; position < tokens; ++position) {
            bool any = false;
            for (int64_t i = 0; i < block.queries.count && !any; ++i)
              any = sees(*plan, static_cast<int64_t>(head), block.queries.at(i), position);
            // A window's blocks may meet keys that fall between its queries' reaches; nothing is left out.
            REQUIRE(met[static_cast<size_t>(position)] <= 1);
            REQUIRE(met[static_cast<size_t>(position)] >= int{any});
          }
        }
      }
    }
  }
}

TEST_CASE("attention block: the keys that come next can be seen before") {
  for (const auto& [name, plan] : plans_of_every_kind(1000, 3)) {
    CAPTURE(name);
    for (const auto& head : plan->heads) {
      for (const QueryBlock& block : query_blocks(*head, 130)) {
        KeyWalk walk(block, plan->causal);
        std::vector<int64_t> expected = coming(walk);
        for (KeyBlock keys; walk.next(keys); expected = coming(walk)) REQUIRE(positions_of(keys) == expected);
        CHECK(expected.empty());
      }
    }
  }
}
