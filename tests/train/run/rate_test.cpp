// How long a step will take, by its FLOPs and the rate of the machine's products.
#include "train/run/rate.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

using namespace scca;

TEST_CASE("rate: the fastest of several runs, each waited for") {
  int runs = 0;
  const double seconds = best_seconds(
      0.02, [&] { std::this_thread::sleep_for(std::chrono::milliseconds(++runs == 1 ? 8 : 2)); });
  CHECK(runs >= 2);
  CHECK(seconds >= 2e-3);
  CHECK(seconds < 8e-3);
}

TEST_CASE("rate: a product's FLOPs over its time; a step takes its FLOPs at 0.8 of that") {
  // The same product, twice as long a side: 8 times the work, at a rate of the same order.
  const double small = matmul_gflops(128, 0.01), large = matmul_gflops(256, 0.01);
  CHECK(small > 0);
  CHECK(large < 100 * small);
  CHECK(small < 100 * large);
  CHECK(expected_seconds(8e11, 1000) == doctest::Approx(1));
  CHECK(expected_seconds(8e11, 500) == doctest::Approx(2));
}
