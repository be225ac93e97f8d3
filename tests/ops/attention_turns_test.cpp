#include "ops/attention_turns.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "tests/ops/attention_plans.h"

using namespace scca;
using namespace scca::cpu;
using namespace scca::test;

namespace {

/// The keys of a block in the order in which the kernels walk them.
std::vector<int64_t> keys_of(const QueryBlock& whole, bool causal) {
  std::vector<int64_t> keys;
  KeyWalk walk(whole, causal);
  for (KeyBlock block; walk.next(block);)
    keys.insert(keys.end(), block.position, block.position + block.count);
  return keys;
}

}  // namespace

TEST_CASE("attention turns: a block comes to a key after those that were taken before") {
  const int64_t tokens = 1000;
  for (const auto& [name, plan] : plans_of_every_kind(tokens, 3)) {
    CAPTURE(name);
    for (const auto& head : plan->heads) {
      for (const int64_t first_query : {0, 130}) {
        BlockTurns turns(*head, first_query, tokens, plan->causal);
        std::vector<int32_t> blocks_of(tokens);
        int64_t queries = 0;
        const QueryBlock* announced = nullptr;
        while (const auto taken = turns.take()) {
          if (queries > 0) REQUIRE((announced && announced->queries == taken->block.queries));
          announced = taken->following;
          const std::vector<int64_t> keys = keys_of(taken->block, plan->causal);
          REQUIRE(taken->turns.size() == keys.size());
          for (size_t i = 0; i < keys.size(); ++i) {
            REQUIRE(taken->turns[i] == blocks_of[keys[i]]++);
            turns.wait(keys[i], taken->turns[i]);  // one thread: all before have passed
            turns.pass(keys[i], taken->turns[i]);
          }
          queries += taken->block.queries.count;
        }
        CHECK(!turns.left());
        CHECK(!announced);
        CHECK(queries == tokens - first_query);
        for (int64_t key = 0; key < tokens; ++key) REQUIRE(turns.met(key) == (blocks_of[key] > 0));
      }
    }
  }
}

TEST_CASE("attention turns: who is early waits") {
  const PlanPtr plan = full_plan(2 * kMaxQueries, 1);
  BlockTurns turns(*plan->heads[0], 0, plan->tokens, true);
  const auto first = turns.take(), second = turns.take();
  REQUIRE(second);
  REQUIRE(second->turns[0] == 1);
  std::vector<int> came;
  std::thread other([&] {
    turns.wait(0, second->turns[0]);
    came.push_back(2);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // time to come too early
  came.push_back(1);
  turns.pass(0, first->turns[0]);
  other.join();
  CHECK(came == std::vector<int>{1, 2});
}
