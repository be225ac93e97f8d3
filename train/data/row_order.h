#pragma once
// The order of the rows in training.
#include <cstdint>
#include <vector>

namespace scca {

/// Rows that are shuffled among themselves: so many, and the share of all positions that is theirs.
struct RowShare {
  int64_t rows = 0;
  double weight = 1;
};

/// Of one text: every epoch a new shuffle. Of several, whose rows are numbered on: each position draws one by
/// its weight, and takes its next row; each has epochs of its own. All of it is a pure function of (seed,
/// position), so that any position is found again without a history.
class RowOrder {
 public:
  RowOrder(uint64_t seed, int64_t rows) : RowOrder(seed, std::vector<RowShare>{{rows, 1}}) {}
  RowOrder(uint64_t seed, const std::vector<RowShare>& shares);
  /// The row at `position` = 0, 1, ... over all epochs.
  int64_t operator()(int64_t position);
  /// Those at positions first, ..., first + count - 1.
  std::vector<int64_t> rows(int64_t first, int64_t count);

 private:
  struct Shuffled {
    int64_t first_row, rows;
    double until;       // the sum of the weights up to its own, as a share of all
    uint64_t key;       // of its shuffles
    int64_t drawn = 0;  // positions below next_ that are its own
    int64_t epoch = -1;
    std::vector<int32_t> order = {};
  };
  static int64_t row_at(Shuffled& rows, int64_t position);
  Shuffled& drawn_at(int64_t position);

  uint64_t seed_;
  std::vector<Shuffled> texts_;
  int64_t next_ = 0;
};

}  // namespace scca
