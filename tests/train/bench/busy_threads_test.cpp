#include "train/bench/busy_threads.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <time.h>

#include <chrono>
#include <filesystem>
#include <iterator>

using namespace scca;

namespace {

double cpu_seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// What the other threads of this process have computed.
double seconds_of_others() {
  return cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
}

int64_t threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

/// How often a thread of this process gave up its CPU by itself.
int64_t pauses() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

TEST_CASE("busy threads: so many compute without a pause, until they are no more") {
  const int64_t before = threads();
  {
    const BusyThreads busy(2);
    CHECK(threads() == before + 2);
    const double begin = seconds_of_others();
    const int64_t pauses_before = pauses();
    int waits = 0;
    while (seconds_of_others() < begin + 0.1 && ++waits < 3000) sleep_ms(10);
    CHECK(waits < 3000);
    CHECK(pauses() - pauses_before < 2 * waits + 20);
  }
  CHECK(threads() == before);
  sleep_ms(50);  // OpenMP's of a test before, which spin for a while
  const double begin = seconds_of_others();
  sleep_ms(50);
  CHECK(seconds_of_others() < begin + 0.02);
  const BusyThreads none(0);
  CHECK(threads() == before);
}
