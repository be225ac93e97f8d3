#include "train/run/schedule.h"

#include <doctest/doctest.h>

using namespace scca;

TEST_CASE("schedule: warm-up climbs in equal steps to the peak, then stays") {
  const Schedule schedule{.peak = 1, .warmup = 4, .steps = 100};
  CHECK(schedule.at(1) == doctest::Approx(0.25));
  CHECK(schedule.at(2) == doctest::Approx(0.5));
  CHECK(schedule.at(4) == 1);
  CHECK(schedule.at(5) == 1);
  CHECK(schedule.at(100) == 1);
}

TEST_CASE("schedule: without warm-up the first step is at the peak") {
  CHECK(Schedule{.peak = 3e-4, .warmup = 0, .steps = 10}.at(1) == 3e-4);
}

TEST_CASE("schedule: the cosine ends at its share of the peak, with half the way at half the time") {
  const Schedule schedule{.peak = 2, .warmup = 10, .steps = 110, .cosine = true, .final_share = 0.1};
  CHECK(schedule.at(10) == 2);
  CHECK(schedule.at(60) == doctest::Approx(2 * 0.55));
  CHECK(schedule.at(110) == doctest::Approx(0.2));
  CHECK(schedule.at(500) == doctest::Approx(0.2));
  for (int64_t step = 11; step <= 110; ++step) CHECK(schedule.at(step) < schedule.at(step - 1));
}

TEST_CASE("schedule: a warm-up as long as the run never divides by zero") {
  const Schedule schedule{.peak = 1, .warmup = 5, .steps = 5, .cosine = true};
  CHECK(schedule.at(5) == 1);
  CHECK(schedule.at(6) == doctest::Approx(1));
}
