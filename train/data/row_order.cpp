#include "train/data/row_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/random.h"

namespace scca {

RowOrder::RowOrder(uint64_t seed, const std::vector<RowShare>& shares) : seed_(seed) {
  double all = 0, sum = 0;
  for (const RowShare& share : shares) all += share.weight;
  int64_t rows = 0;
  for (const RowShare& share : shares) {
    sum += share.weight;
    // A key of its own: dropout draws from philox(seed, ...) too.
    const uint64_t key = seed ^ 0x73687566666c6521u ^ (uint64_t{texts_.size()} << 32);
    texts_.push_back({rows, share.rows, sum / all, key});
    rows += share.rows;
  }
  texts_.back().until = 2;  // whatever the sums are rounded to
}

int64_t RowOrder::operator()(int64_t position) {
  if (texts_.size() == 1) return row_at(texts_[0], position);
  if (position < next_) {
    next_ = 0;
    for (Shuffled& text : texts_) text.drawn = 0;
  }
  for (; next_ < position; ++next_) ++drawn_at(next_).drawn;
  Shuffled& text = drawn_at(position);
  return text.first_row + row_at(text, text.drawn);
}

std::vector<int64_t> RowOrder::rows(int64_t first, int64_t count) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i) rows.push_back((*this)(first + i));
  return rows;
}

RowOrder::Shuffled& RowOrder::drawn_at(int64_t position) {
  const double at = uniform01(philox(seed_ ^ 0x6d69787475726521u, static_cast<uint64_t>(position))[0]);
  return *std::ranges::find_if(texts_, [&](const Shuffled& text) { return at < text.until; });
}

int64_t RowOrder::row_at(Shuffled& text, int64_t position) {
  const int64_t epoch = position / text.rows;
  if (epoch != text.epoch) {
    text.order.resize(static_cast<size_t>(text.rows));
    std::iota(text.order.begin(), text.order.end(), 0);
    for (int64_t i = text.rows - 1; i > 0; --i) {  // Fisher and Yates
      const uint64_t bits = philox(text.key, static_cast<uint64_t>(i), static_cast<uint64_t>(epoch))[0];
      std::swap(text.order[static_cast<size_t>(i)],
                text.order[static_cast<size_t>((bits * static_cast<uint64_t>(i + 1)) >> 32)]);
    }
    text.epoch = epoch;
  }
  return text.order[static_cast<size_t>(position % text.rows)];
}

}  // namespace scca
