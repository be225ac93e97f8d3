#include "train/report/pattern_grid.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"

namespace scca {
namespace {

/// Of a key slice, what one query sees: the ends that lie in the future or out of reach are cut off.
Slice seen_by(const KeySlice& keys, int64_t query, bool causal) {
  int64_t begin = keys.begin_for(query), count = std::max<int64_t>(0, keys.end_for(query, causal) - begin);
  return {keys.at(begin), count == 1 ? 1 : keys.step, count};
}

class Counter {
 public:
  Counter(const AttentionPlan& plan, const std::vector<const HeadPlan*>& heads, PatternGrid& out)
      : plan_(plan), heads_(heads), out_(out) {
    for (const HeadPlan* head : heads) {
      std::vector<const Tile*>& tile_of = tiles_.emplace_back(plan.tokens, nullptr);
      for (const Tile& tile : *head)
        for (int64_t i = 0; i < tile.queries.count; ++i) tile_of.at(tile.queries.at(i)) = &tile;
    }
  }

  void count() {
    for (int64_t query = 0; query < plan_.tokens; ++query) {
      gather(query);
      int64_t* row = &out_.visible[static_cast<size_t>(out_.cell_of(query)) * out_.cells];
      if (heads_.size() == 1 || seen_.size() <= 1) {
        for (const Slice& slice : seen_) add(slice, row);  // slices of one head are disjoint
      } else {
        add_union(row);
      }
    }
  }

 private:
  void gather(int64_t query) {
    seen_.clear();
    for (const auto& tile_of : tiles_) {
      if (tile_of[query] == nullptr) continue;
      for (const KeySlice& keys : tile_of[query]->keys)
        if (Slice slice = seen_by(keys, query, plan_.causal); slice.count > 0) seen_.push_back(slice);
    }
  }

  void add(const Slice& slice, int64_t* row) const {
    int64_t before = 0;
    for (int cell = out_.cell_of(slice.start); before < slice.count; ++cell) {
      int64_t below = slice.count_below(out_.bound(cell + 1));
      row[cell] += below - before;
      before = below;
    }
  }

  /// Slices of different heads may overlap. Runs are merged; strided slices are marked key by key.
  void add_union(int64_t* row) {
    bool runs = std::all_of(seen_.begin(), seen_.end(), [](const Slice& s) { return s.step == 1; });
    if (!runs) return add_marked(row);
    std::sort(seen_.begin(), seen_.end(), [](const Slice& a, const Slice& b) { return a.start < b.start; });
    int64_t end = 0;  // keys below are counted
    for (const Slice& slice : seen_) {
      int64_t start = std::max(slice.start, end), stop = slice.start + slice.count;
      if (start < stop) add({start, 1, stop - start}, row);
      end = std::max(end, stop);
    }
  }

  void add_marked(int64_t* row) {
    int64_t low = plan_.tokens, high = 0;
    for (const Slice& slice : seen_) {
      low = std::min(low, slice.start);
      high = std::max(high, slice.last() + 1);
    }
    marks_.assign(high - low, 0);
    for (const Slice& slice : seen_)
      for (int64_t key = slice.start; key < slice.start + slice.count * slice.step; key += slice.step)
        marks_[key - low] = 1;
    for (int cell = out_.cell_of(low); cell <= out_.cell_of(high - 1); ++cell) {
      int64_t from = std::max(low, out_.bound(cell)) - low, to = std::min(high, out_.bound(cell + 1)) - low;
      row[cell] += std::accumulate(marks_.begin() + from, marks_.begin() + to, int64_t{0});
    }
  }

  const AttentionPlan& plan_;
  const std::vector<const HeadPlan*>& heads_;
  PatternGrid& out_;
  std::vector<std::vector<const Tile*>> tiles_;  // per head: which tile a query is in
  std::vector<Slice> seen_;
  std::vector<uint8_t> marks_;
};

int64_t allowed_in(const PatternGrid& grid, int row, int column, bool causal) {
  int64_t queries = grid.bound(row + 1) - grid.bound(row), keys = grid.bound(column + 1) - grid.bound(column);
  if (!causal || column < row) return queries * keys;
  return column > row ? 0 : queries * (queries + 1) / 2;  // rows and columns have the same bounds
}

}  // namespace

std::vector<HeadGroup> group_heads(const AttentionPlan& plan) {
  std::vector<HeadGroup> groups;
  for (size_t h = 0; h < plan.heads.size(); ++h) {
    const HeadPlan* head = plan.heads[h].get();
    auto alike = std::find_if(groups.begin(), groups.end(), [&](const HeadGroup& group) {
      return group.plan == head || *group.plan == *head;
    });
    if (alike == groups.end()) alike = groups.insert(alike, {{}, head});
    alike->heads.push_back(static_cast<int>(h));
  }
  return groups;
}

std::string head_names(const std::vector<int>& heads, size_t of) {
  size_t n = heads.size();
  if (n == of && of > 1) return concat("all ", of, " heads");
  if (n == 1) return concat("head ", heads[0]);
  int stride = heads[1] - heads[0];
  bool even = stride > 1 && n > 4;
  for (size_t i = 1; i < n; ++i) even = even && heads[i] - heads[i - 1] == stride;
  if (even) return concat("heads ", heads[0], ", ", heads[1], ", ", heads[2], " ... ", heads.back());
  std::string out = "heads ";
  for (size_t i = 0; i < n;) {
    size_t end = i + 1;
    while (end < n && heads[end] == heads[end - 1] + 1) ++end;
    out += concat(i > 0 ? ", " : "", heads[i]);
    if (end - i == 2) out += concat(", ", heads[i + 1]);
    if (end - i > 2) out += concat("-", heads[end - 1]);
    i = end;
  }
  return out;
}

int64_t PatternGrid::visible_pairs() const {
  return std::accumulate(visible.begin(), visible.end(), int64_t{0});
}
int64_t PatternGrid::allowed_pairs() const {
  return std::accumulate(allowed.begin(), allowed.end(), int64_t{0});
}

PatternGrid pattern_grid(const AttentionPlan& plan, const std::vector<const HeadPlan*>& heads, int cells) {
  SCCA_CHECK(plan.tokens >= 1 && cells >= 1 && cells <= plan.tokens, "pattern_grid: ", cells,
             " cells a side for ", plan.tokens, " tokens, expected 1 to as many as tokens");
  PatternGrid out{plan.tokens, cells, {}, {}};
  out.visible.assign(static_cast<size_t>(cells) * cells, 0);
  out.allowed.reserve(out.visible.size());
  for (int row = 0; row < cells; ++row)
    for (int column = 0; column < cells; ++column)
      out.allowed.push_back(allowed_in(out, row, column, plan.causal));
  Counter(plan, heads, out).count();
  return out;
}

}  // namespace scca
