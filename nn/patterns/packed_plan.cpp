#include "nn/patterns/packed_plan.h"

#include <map>

#include "core/check.h"

namespace scca {
namespace {

/// The positions of `slice` in [begin, end), moved by `offset`; step 1 where one or none is left, so that
/// equal slices are written alike.
template <class S>
S cut(S slice, int64_t begin, int64_t end, int64_t offset) {
  const int64_t first = slice.count_below(begin);
  slice.count = slice.count_below(end) - first;
  slice.start = slice.at(first) + offset;
  if (slice.count < 2) slice.step = 1;
  return slice;
}

/// A document in one row: positions [begin, end) of it.
struct Document {
  int64_t row, begin, end;
};

std::vector<Document> documents_of(int64_t rows, int64_t tokens, std::span<const int64_t> starts) {
  std::vector<Document> documents;
  auto next = starts.begin();
  int64_t last = -1;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t begin = 0;
    for (; next != starts.end() && *next < (row + 1) * tokens; last = *next++) {
      SCCA_CHECK(*next > last, "packed documents: one begins at ", *next, " and the one before at ", last,
                 "; expected ascending positions");
      const int64_t at = *next - row * tokens;
      if (at > begin) documents.push_back({row, begin, at});
      begin = at;
    }
    documents.push_back({row, begin, tokens});
  }
  SCCA_CHECK(next == starts.end(), "packed documents: one begins at ", *next, ", behind ", rows, " rows of ",
             tokens, " tokens");
  return documents;
}

HeadPlan packed(const HeadPlan& head, int64_t tokens, const std::vector<Document>& documents) {
  HeadPlan result;
  for (const Document& document : documents)
    for (const Tile& tile : head) {
      const int64_t offset = document.row * tokens;
      Tile part{cut(tile.queries, document.begin, document.end, offset), {}};
      if (part.queries.count == 0) continue;
      for (const KeySlice& keys : tile.keys)
        if (const KeySlice left = cut(keys, document.begin, document.end, offset); left.count > 0)
          part.keys.push_back(left);
      result.push_back(std::move(part));
    }
  return result;
}

}  // namespace

PlanPtr packed_plan(const PlanPtr& plan, int64_t rows, std::span<const int64_t> starts) {
  const std::vector<Document> documents = documents_of(rows, plan->tokens, starts);
  if (documents.size() == 1) return plan;
  auto result = std::make_shared<AttentionPlan>();
  result->tokens = rows * plan->tokens;
  result->causal = plan->causal;
  std::map<const HeadPlan*, std::shared_ptr<const HeadPlan>> made;  // heads share lists
  for (const auto& head : plan->heads) {
    auto& packed_head = made[head.get()];
    if (!packed_head) packed_head = std::make_shared<HeadPlan>(packed(*head, plan->tokens, documents));
    result->heads.push_back(packed_head);
  }
  return result;
}

}  // namespace scca
