#include "ops/attention_work.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/op_check.h"
#include "tests/ops/attention_plans.h"

using namespace scca;
using namespace scca::test;

namespace {

/// What one head of a list computes: how often each position stays, and how often each pair (query, key) is
/// met by a kernel that leaves out what causality and reach forbid.
struct Walk {
  std::map<int64_t, int> stays;
  std::map<std::pair<int64_t, int64_t>, int> pairs;
  int64_t moved = 0;  // positions that moved past some item
};

Walk walk(const AttentionWork& work, int64_t head, bool causal, Stay stay) {
  Walk seen;
  for (const WorkTask& task : work.tasks) {
    if (task.head != head) continue;
    const WorkItem& item = work.items[static_cast<size_t>(task.item)];
    for (int i = 0; i < item.count; ++i) ++seen.stays[item.start + i * item.step];
    int next = 0;
    for (int r = item.first_range; r < item.first_range + item.ranges; ++r) {
      const WorkRange& range = work.ranges[static_cast<size_t>(r)];
      CHECK(range.begin == next);
      CHECK(range.end > range.begin);
      next = range.end;
      for (int j = 0; j < range.end - range.begin; ++j) {
        const int64_t moves = range.start + int64_t{j} * range.step;
        for (int i = 0; i < item.count; ++i) {
          const int64_t stands = item.start + int64_t{i} * item.step;
          const int64_t query = stay == Stay::queries ? stands : moves;
          const int64_t key = stay == Stay::queries ? moves : stands;
          if (std::abs(query - key) < range.reach && (!causal || key <= query)) ++seen.pairs[{query, key}];
        }
      }
    }
    CHECK(item.moving == next);
    seen.moved += next;
  }
  return seen;
}

/// A plan whose two tiles read the same keys with different reaches, and which leaves most keys to nobody.
PlanPtr two_reaches(int64_t tokens) {
  HeadPlan head;
  const int64_t half = tokens / 2;
  const Slice keys{tokens / 3, 2, (tokens - tokens / 3 + 3) / 4};
  head.push_back({{0, 1, half}, {{keys, 5}}});
  head.push_back({{half, 1, tokens - half}, {{keys, kUnlimited}}});
  return make_plan(tokens, {head}, false);
}

std::vector<NamedPlan> plans(int64_t tokens) {
  std::vector<NamedPlan> all = plans_of_every_kind(tokens, 3);
  if (tokens > 8) all.push_back({"two reaches", two_reaches(tokens)});
  return all;
}

}  // namespace

TEST_CASE("attention work: each head's list meets the pairs that it sees, once, from either side") {
  for (const int64_t tokens : {1, 2, 31, 33, 129}) {
    for (const NamedPlan& plan : plans(tokens)) {
      for (const int64_t first : {int64_t{0}, tokens / 2, tokens - 1}) {
        for (const Stay stay : {Stay::queries, Stay::keys}) {
          CAPTURE(plan.name);
          CAPTURE(tokens);
          CAPTURE(first);
          const AttentionWork work = attention_work(*plan.plan, first, stay, 16);
          for (int64_t head = 0; head < static_cast<int64_t>(plan.plan->heads.size()); ++head) {
            const Walk seen = walk(work, head, plan.plan->causal, stay);
            std::map<int64_t, int> stays;
            std::map<std::pair<int64_t, int64_t>, int> pairs;
            for (int64_t i = 0; i < tokens; ++i) {
              if (stay == Stay::keys || i >= first) stays[i] = 1;
              for (int64_t j = 0; j < tokens && i >= first; ++j)
                if (sees(*plan.plan, head, i, j)) pairs[{i, j}] = 1;
            }
            CHECK(seen.stays == stays);
            CHECK(seen.pairs == pairs);
          }
        }
      }
    }
  }
}

TEST_CASE("attention work: what moves past an item is what its ends see, and the heaviest come first") {
  AttentionPlan plan = *window(1000, 1, 50);
  plan.heads.push_back(plan.heads[0]);
  for (const Stay stay : {Stay::queries, Stay::keys}) {
    const AttentionWork work = attention_work(plan, 0, stay, 10);
    CHECK(work.items.size() == 100);  // both heads share them
    CHECK(work.tasks.size() == 200);
    for (const WorkItem& item : work.items) {
      CHECK(item.count == 10);
      CHECK(item.moving <= 59);  // 50 of the first row, one more for each row after it
    }
    for (size_t i = 1; i < work.tasks.size(); ++i)
      CHECK(work.items[static_cast<size_t>(work.tasks[i - 1].item)].moving >=
            work.items[static_cast<size_t>(work.tasks[i].item)].moving);
  }
}

TEST_CASE("attention work: keys that nobody reads are listed, in few blocks") {
  const Slice all{0, 1, 999}, some{1, 3, 333};
  const PlanPtr plan = make_plan(999, {{{all, {{some}}}}});
  const AttentionWork work = attention_work(*plan, 0, Stay::keys, 64);
  int64_t unread = 0;
  for (const WorkItem& item : work.items) unread += item.moving == 0 ? item.count : 0;
  CHECK(unread == 666);
  CHECK(work.items.size() <= 6 + 333);  // 0, 2, 3, 5, 6, ...: no two gaps alike, so blocks of two
}

TEST_CASE(
    "attention work: remembered while the plan's tile lists live, and told apart by all that it depends on") {
  PlanPtr plan = full_plan(40, 3);
  const auto first = work_on_device(*plan, 0, Stay::queries, 16, Device::cpu);
  CHECK(work_on_device(*plan, 0, Stay::queries, 16, Device::cpu) == first);
  CHECK(work_on_device(*plan, 1, Stay::queries, 16, Device::cpu) != first);
  CHECK(work_on_device(*plan, 0, Stay::keys, 16, Device::cpu) != first);
  CHECK(work_on_device(*plan, 0, Stay::queries, 32, Device::cpu) != first);
  AttentionPlan other = *plan;  // the same tile lists
  CHECK(work_on_device(other, 0, Stay::queries, 16, Device::cpu) == first);
  other.causal = false;
  CHECK(work_on_device(other, 0, Stay::queries, 16, Device::cpu) != first);
  other = *plan;
  other.heads.pop_back();
  CHECK(work_on_device(other, 0, Stay::queries, 16, Device::cpu) != first);

  const std::weak_ptr<const DeviceWork> watched = first;
  CHECK(first->items == 3);
  CHECK(first->tasks == 9);
  CHECK(first->item_data()[2].count == 8);
  CHECK(first->range_data()[2].end == 40);
  CHECK(first->task_data()[0].item == 2);  // the last queries see most
  CHECK(first.use_count() == 2);
  other = {};
  plan.reset();
  work_on_device(*full_plan(8, 1), 0, Stay::queries, 16, Device::cpu);
  CHECK(first.use_count() == 1);  // forgotten
}

TEST_CASE("attention work: positions are 32-bit") {
  AttentionPlan plan{kWorkBound, true, {std::make_shared<const HeadPlan>()}};
  CHECK_THROWS_WITH_AS(attention_work(plan, 0, Stay::queries, 64),
                       "attention: a plan of 1073741824 tokens, expected fewer than 2^30 on this device",
                       Error);
}
