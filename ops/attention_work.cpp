#include "ops/attention_work.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "core/check.h"
#include "core/planning.h"

namespace scca {
namespace {

int32_t narrow(int64_t x) { return static_cast<int32_t>(std::min(x, kWorkBound)); }

/// `count` members of a slice from the index `begin` on.
Slice part(const Slice& slice, int64_t begin, int64_t count) { return {slice.at(begin), slice.step, count}; }

/// Makes the items of one tile list after the other.
class Builder {
 public:
  Builder(const AttentionPlan& plan, int64_t first_query, Stay stay, int64_t block)
      : plan_(plan), first_query_(first_query), stay_(stay), block_(block) {}

  AttentionWork build() && {
    std::map<const HeadPlan*, std::vector<int32_t>> heads_of;
    std::vector<const HeadPlan*>
        lists;  // in the order of their first head: addresses would not be reproducible
    for (size_t head = 0; head < plan_.heads.size(); ++head) {
      std::vector<int32_t>& heads = heads_of[plan_.heads[head].get()];
      if (heads.empty()) lists.push_back(plan_.heads[head].get());
      heads.push_back(static_cast<int32_t>(head));
    }
    for (const HeadPlan* list : lists) {
      const size_t first = work_.items.size();
      stay_ == Stay::queries ? add_queries(*list) : add_keys(*list);
      for (size_t item = first; item < work_.items.size(); ++item)
        for (const int32_t head : heads_of[list]) work_.tasks.push_back({static_cast<int32_t>(item), head});
    }
    // Equally heavy tasks stay in their order: an item's heads side by side, where they share keys in the
    // cache.
    std::stable_sort(work_.tasks.begin(), work_.tasks.end(), [&](const WorkTask& a, const WorkTask& b) {
      return work_.items[a.item].moving > work_.items[b.item].moving;
    });
    return std::move(work_);
  }

 private:
  void add_queries(const HeadPlan& tiles) {
    for (const Tile& tile : tiles) {
      const Slice& all = tile.queries;
      for (int64_t i = all.count_below(first_query_); i < all.count; i += block_) {
        const Slice queries = part(all, i, std::min(block_, all.count - i));
        open(queries);
        for (const KeySlice& keys : tile.keys) {
          const int64_t begin = keys.begin_for(queries.start),
                        end = keys.end_for(queries.last(), plan_.causal);
          if (begin < end) add(part(keys, begin, end - begin), keys.reach);
        }
      }
    }
  }

  /// A tile's queries, and how far they reach into the slice that they read.
  struct Reader {
    Slice queries;
    int64_t reach;
  };

  void add_keys(const HeadPlan& tiles) {
    std::map<std::tuple<int64_t, int64_t, int64_t>, std::vector<Reader>> readers_of;  // the inverse plan
    std::vector<bool> listed(static_cast<size_t>(plan_.tokens));
    for (const Tile& tile : tiles) {
      for (const KeySlice& keys : tile.keys) {
        std::vector<Reader>& readers = readers_of[{keys.start, keys.step, keys.count}];
        if (readers.empty())
          for (int64_t i = 0; i < keys.count; ++i) listed[static_cast<size_t>(keys.at(i))] = true;
        readers.push_back({tile.queries, keys.reach});
      }
    }
    for (const auto& [numbers, readers] : readers_of) {
      const Slice slice{std::get<0>(numbers), std::get<1>(numbers), std::get<2>(numbers)};
      for (int64_t i = 0; i < slice.count; i += block_)
        add_key_block(part(slice, i, std::min(block_, slice.count - i)), readers);
    }
    add_unlisted_keys(listed);
  }

  /// The keys and, of each reader, the queries that see any of them.
  void add_key_block(const Slice& keys, const std::vector<Reader>& readers) {
    open(keys);
    for (const auto& [queries, reach] : readers) {
      int64_t from = first_query_, below = plan_.tokens;
      if (plan_.causal) from = std::max(from, keys.start);
      if (reach != kUnlimited) {
        from = std::max(from, keys.start - reach + 1);
        below = keys.last() + reach;
      }
      const int64_t begin = queries.count_below(from), end = queries.count_below(below);
      if (begin < end) add(part(queries, begin, end - begin), reach);
    }
  }

  /// Keys in no slice, in blocks of equal step that nothing moves past.
  void add_unlisted_keys(const std::vector<bool>& listed) {
    Slice run;
    for (int64_t key = 0; key < plan_.tokens; ++key) {
      if (listed[static_cast<size_t>(key)]) continue;
      if (run.count == 1) run.step = key - run.start;
      if (run.count > 0 && (key != run.at(run.count) || run.count == block_)) {
        open(run);
        run.count = 0;
      }
      if (run.count == 0) run.start = key;
      ++run.count;
    }
    if (run.count > 0) open(run);
  }

  void open(const Slice& stays) {
    work_.items.push_back({narrow(stays.start), narrow(stays.step), narrow(stays.count),
                           narrow(static_cast<int64_t>(work_.ranges.size())), 0, 0});
  }

  void add(const Slice& moves, int64_t reach) {
    WorkItem& item = work_.items.back();
    const int32_t count = narrow(moves.count);
    work_.ranges.push_back(
        {narrow(moves.start), narrow(moves.step), item.moving, item.moving + count, narrow(reach)});
    item.moving += count;
    ++item.ranges;
  }

  const AttentionPlan& plan_;
  const int64_t first_query_;
  const Stay stay_;
  const int64_t block_;
  AttentionWork work_;
};

/// What a list was made from. Tile lists are told apart by address, which is theirs as long as they live.
struct Source {
  std::vector<std::weak_ptr<const HeadPlan>> heads;
  int64_t tokens, first_query, block;
  bool causal;
  Stay stay;
  Device device;
  uint64_t plan;  // that the list is counted in; 0: it is there

  bool alive() const {
    if (plan != 0 && plan != planning_id()) return false;
    return std::none_of(heads.begin(), heads.end(), [](const auto& head) { return head.expired(); });
  }
  bool made(const AttentionPlan& whole, int64_t first, Stay side, int64_t size, Device place) const {
    return tokens == whole.tokens && causal == whole.causal && first_query == first && stay == side &&
           block == size && device == place && plan == planning_id() &&
           std::equal(heads.begin(), heads.end(), whole.heads.begin(), whole.heads.end(),
                      [](const auto& mine, const auto& other) { return mine.lock() == other; });
  }
};

DeviceWork send(const AttentionWork& work, Device device) {
  DeviceWork sent;
  sent.items = static_cast<int64_t>(work.items.size());
  sent.ranges = static_cast<int64_t>(work.ranges.size());
  sent.tasks = static_cast<int64_t>(work.tasks.size());
  std::vector<int32_t> numbers;
  const auto append = [&numbers](const auto& list) {
    const size_t before = numbers.size(), bytes = list.size() * sizeof(list[0]);
    numbers.resize(before + bytes / sizeof(int32_t));
    if (bytes > 0) std::memcpy(numbers.data() + before, list.data(), bytes);
  };
  append(work.items);
  append(work.ranges);
  append(work.tasks);
  const int64_t count = static_cast<int64_t>(numbers.size());
  sent.numbers = Tensor::of<int32_t>(numbers, {count}).to(device);
  return sent;
}

}  // namespace

AttentionWork attention_work(const AttentionPlan& plan, int64_t first_query, Stay stay, int64_t block) {
  SCCA_CHECK(plan.tokens < kWorkBound, "attention: a plan of ", plan.tokens,
             " tokens, expected fewer than 2^30 on this device");
  return Builder(plan, first_query, stay, block).build();
}

std::shared_ptr<const DeviceWork> work_on_device(const AttentionPlan& plan, int64_t first_query, Stay stay,
                                                 int64_t block, Device device) {
  using Entry = std::pair<Source, std::shared_ptr<const DeviceWork>>;
  static auto& known = *new std::vector<Entry>;  // never destroyed: device memory must not outlive its driver
  std::erase_if(known, [](const Entry& entry) { return !entry.first.alive(); });
  for (const auto& [source, work] : known)
    if (source.made(plan, first_query, stay, block, device)) return work;
  const Source source{{plan.heads.begin(), plan.heads.end()},
                      plan.tokens,
                      first_query,
                      block,
                      plan.causal,
                      stay,
                      device,
                      planning_id()};
  known.emplace_back(source, std::make_shared<const DeviceWork>(
                                 send(attention_work(plan, first_query, stay, block), device)));
  return known.back().second;
}

}  // namespace scca
