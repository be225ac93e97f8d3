#include "train/data/row_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace scca;

TEST_CASE("row order: every epoch has each row once, in an order of its own") {
  constexpr int64_t kRows = 129;
  RowOrder order(5, kRows);
  std::set<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < kRows; ++i) rows.push_back(order(epoch * kRows + i));
    epochs.insert(rows);
    std::sort(rows.begin(), rows.end());
    for (int64_t i = 0; i < kRows; ++i) REQUIRE(rows[static_cast<size_t>(i)] == i);
  }
  CHECK(epochs.size() == 3);
  RowOrder other(6, kRows);
  int64_t same = 0;
  for (int64_t i = 0; i < kRows; ++i) same += order(i) == other(i);
  CHECK(same < 10);  // one is expected of two random orders; P(10 or more) < 1e-6
}

TEST_CASE("row order: the shuffle is fair") {
  // 4 rows, 6000 epochs: each row leads 1500 times, with a standard deviation of sqrt(6000 * 3/16) = 33.5.
  RowOrder order(9, 4);
  std::vector<int> first(4, 0);
  for (int64_t epoch = 0; epoch < 6000; ++epoch) ++first[static_cast<size_t>(order(epoch * 4))];
  for (int count : first) CHECK(std::abs(count - 1500) < 168);  // five deviations
}

TEST_CASE(
    "row order: of several texts each has its share and its own epochs, and any position is found again") {
  const std::vector<RowShare> shares{{5, 0.6}, {1, 0.1}, {3, 0.3}};
  RowOrder order(7, shares);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < 3000; ++i) rows.push_back(order(i));
  std::vector<std::vector<int64_t>> of_text(3);
  for (const int64_t row : rows) {
    REQUIRE(row >= 0);
    REQUIRE(row < 9);
    of_text[row < 5 ? 0 : row < 6 ? 1 : 2].push_back(row);
  }
  // five deviations of sqrt(3000 p (1 - p))
  CHECK(std::abs(std::ssize(of_text[0]) - 1800) < 135);
  CHECK(std::abs(std::ssize(of_text[1]) - 300) < 83);
  for (size_t i = 0; i + 5 <= of_text[0].size(); i += 5)  // every row once before any comes again
    REQUIRE(std::set<int64_t>(of_text[0].begin() + static_cast<std::ptrdiff_t>(i),
                              of_text[0].begin() + static_cast<std::ptrdiff_t>(i) + 5)
                .size() == 5);
  RowOrder fresh(7, shares);
  for (const int64_t at : {2999, 17, 0, 18, 2000}) CHECK(fresh(at) == rows[static_cast<size_t>(at)]);
  // Weights count as shares of their sum.
  RowOrder scaled(7, std::vector<RowShare>{{5, 6}, {1, 1}, {3, 3}});
  for (int64_t i = 0; i < 100; ++i) CHECK(scaled(i) == rows[static_cast<size_t>(i)]);
}
