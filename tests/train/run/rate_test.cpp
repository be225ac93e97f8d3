// How long a step will take, by its FLOPs and the rate of the machine's products.
#include "train/run/rate.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "ops/matmul.h"

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
  // What a product of n x n x n does, 2 n^3, over the time that we take ourselves: of the same order.
  const Tensor a = normal_tensor({256, 256}, {}), b = normal_tensor({256, 256}, {});
  Tensor c = Tensor::empty({256, 256});
  const double seconds = best_seconds(0.02, [&] { matmul_into(a, b, c); });
  const double own = 2.0 * 256 * 256 * 256 / seconds * 1e-9, rate = matmul_gflops(256, 0.02);
  CHECK(rate < 20 * own);  // another number of factors would be off by 256
  CHECK(own < 20 * rate);
  CHECK(expected_seconds(8e11, 1000) == doctest::Approx(1));
  CHECK(expected_seconds(8e11, 500) == doctest::Approx(2));
}
