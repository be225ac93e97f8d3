#include "core/threads.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cstdlib>
#include <string>

#include "core/parallel.h"
#include "tests/op_check.h"

using namespace scca;

TEST_CASE("threads: whole CPUs of the share, of those that it may run on") {
  CHECK(usable_cpus(64, -1) == 64);
  CHECK(usable_cpus(64, 2) == 2);
  CHECK(usable_cpus(64, 2.99) == 2);
  CHECK(usable_cpus(2, 16) == 2);
  CHECK(usable_cpus(8, 0.5) == 1);
  CHECK(usable_cpus(1, -1) == 1);
  CHECK(usable_cpus(64, 1e300) == 64);
}

TEST_CASE("threads: what is asked for, else OMP_NUM_THREADS, else the usable CPUs") {
  CHECK(threads_for(0, nullptr, 3) == 3);
  CHECK(threads_for(5, nullptr, 3) == 5);
  CHECK(threads_for(5, "7", 3) == 5);
  CHECK(threads_for(0, "7", 3) == 7);
  CHECK(threads_for(0, "1", 3) == 1);
  CHECK(threads_for(0, " 4 , 2", 3) == 4);
  for (const char* none : {"", " ", ",2", "0", "-1", "many", "4x"}) CHECK(threads_for(0, none, 3) == 3);
}

TEST_CASE("threads: loops take them") {
  const int before = omp_get_max_threads();
  use_threads(3);
  CHECK(thread_count() == 3);
  std::vector<int> ran(3, -1);
  parallel_for(3, 1,
               [&](int64_t begin, int64_t) { ran[static_cast<size_t>(begin)] = omp_get_num_threads(); });
  CHECK(ran == std::vector<int>{3, 3, 3});
  omp_set_num_threads(before);
}
