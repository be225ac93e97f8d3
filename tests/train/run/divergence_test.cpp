#include "train/run/divergence.h"

#include <doctest/doctest.h>

using namespace scca;

namespace {

NormHistory history(const std::vector<double>& norms) {
  NormHistory history;
  for (size_t i = 0; i < norms.size(); ++i) history.add(static_cast<int64_t>(i) + 1, norms[i]);
  return history;
}

}  // namespace

TEST_CASE("divergence: the newest checkpoint whose weights gave a usual norm") {
  CHECK(history({1, 2, 1, 1}).newest_good({1, 2, 3}) == 3);
  CHECK(history({1, 2, 1, 1}).newest_good({2, 4}) == 2);  // nothing is known yet of the weights after step 4
  CHECK(history({1, 2, 1, 1}).newest_good({4}) == std::nullopt);
  CHECK(history({1, 2, 1, 1}).newest_good({}) == std::nullopt);
  CHECK(history({}).newest_good({1}) == std::nullopt);
}

TEST_CASE("divergence: ten times the median of the steps before is too much") {
  CHECK(history({3, 1, 2, 19.9}).newest_good({1, 2, 3}) == 3);
  CHECK(history({3, 1, 2, 20.1}).newest_good({1, 2, 3}) == 2);
  CHECK(history({1, 1, 1, 50, 400, 9000}).newest_good({1, 2, 3, 4, 5, 6}) == 2);
  CHECK(history({1, 1, 1, 50, 1, 1}).newest_good({2, 3, 4, 5}) == 5);  // it came back
}

TEST_CASE("divergence: only the last hundred steps are compared with") {
  std::vector<double> norms(150, 1000.0);  // the beginning of a run, far above the rest
  norms.insert(norms.end(), 120, 1.0);
  norms.push_back(500);
  CHECK(history(norms).newest_good({100, 269, 270}) == 269);
}

TEST_CASE("divergence: steps that are missing are not known to be good") {
  NormHistory history;
  for (const int64_t step : {1, 2, 5, 6}) history.add(step, 1);
  CHECK(history.newest_good({1, 2, 3}) == 1);
  CHECK(history.newest_good({1, 4}) == 4);
}
