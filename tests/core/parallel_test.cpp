#include "core/parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

using namespace scca;

namespace {

/// That many compute while this lives.
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace

TEST_CASE("parallel: every index and every task once") {
  for (const int64_t count : {0, 1, 31, 33, 1000}) {
    std::vector<std::atomic<int>> indices(static_cast<size_t>(count)), tasks(static_cast<size_t>(count));
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++indices[static_cast<size_t>(i)];
    });
    parallel_tasks(count, [&](int64_t task) { ++tasks[static_cast<size_t>(task)]; });
    for (size_t i = 0; i < indices.size(); ++i) {
      CHECK(indices[i] == 1);
      CHECK(tasks[i] == 1);
    }
  }
}

TEST_CASE("parallel: ranges are no smaller than the grain, and shares of one size") {
  for (const int threads : {1, 2, 3, 5}) {
    const Threads these(threads);
    for (const int64_t count : {1, 7, 31, 33, 1000}) {
      for (const int64_t grain : {1, 10, 400}) {
        std::atomic<int64_t> ranges = 0, covered = 0, smallest = count;
        parallel_for(count, grain, [&](int64_t begin, int64_t end) {
          ++ranges;
          covered += end - begin;
          int64_t least = smallest;
          while (end - begin < least && !smallest.compare_exchange_weak(least, end - begin)) {
          }
        });
        CAPTURE(threads);
        CAPTURE(count);
        CAPTURE(grain);
        CHECK(covered == count);
        CHECK(smallest >= std::min(grain, count));
        const int64_t busy = std::clamp<int64_t>(count / grain, 1, threads);
        CHECK(ranges % busy == 0);
        CHECK(ranges <= busy * kPartsOfShare);
      }
    }
  }
}

TEST_CASE("parallel: a thread that is held up leaves the rest of its share to the others") {
  const Threads two(2);
  std::atomic<int64_t> done = 0;
  std::atomic<bool> waited_in_vain = false;
  int64_t held = 64;
  parallel_for(64, 1, [&](int64_t begin, int64_t end) {
    const auto all_others = [&] { return done == 64 - (end - begin); };
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    if (begin == 0) held = end - begin;
    while (begin == 0 && !all_others() && !waited_in_vain)
      waited_in_vain = std::chrono::steady_clock::now() > late;
    done += end - begin;
  });
  CHECK(!waited_in_vain);
  CHECK(held <= 16);  // of its share of 32
  CHECK(done == 64);
}

TEST_CASE("parallel: of several exceptions the first task's is thrown, whoever is faster") {
  for (int round = 0; round < 50; ++round) {
    std::string told;
    try {
      parallel_tasks(64, [&](int64_t task) {
        if (task % 7 == 3) throw std::runtime_error(std::to_string(task));
      });
    } catch (const std::runtime_error& error) {
      told = error.what();
    }
    REQUIRE(told == "3");
    told.clear();
    try {
      parallel_for(64, 1, [&](int64_t begin, int64_t) { throw std::runtime_error(std::to_string(begin)); });
    } catch (const std::runtime_error& error) {
      told = error.what();
    }
    REQUIRE(told == "0");
  }
}

TEST_CASE("parallel: the steps of chains are begun once each and in their order") {
  const std::vector<int> lengths = {3, 0, 1, 33, 7};
  for (const int threads : {1, 2, 3, 7}) {
    const Threads these(threads);
    std::vector<std::atomic<int>> begun(lengths.size());
    std::vector<std::vector<int>> steps(lengths.size());
    std::mutex mutex;
    parallel_chains(
        std::ssize(lengths), [&](int64_t chain) { return begun[chain] < lengths[chain]; },
        [&](int64_t chain) {
          for (;;) {
            const std::lock_guard lock(mutex);
            if (begun[chain] == lengths[chain]) return;
            steps[chain].push_back(begun[chain]++);
          }
        });
    for (size_t chain = 0; chain < lengths.size(); ++chain) {
      CHECK(std::ssize(steps[chain]) == lengths[chain]);
      CHECK(std::ranges::is_sorted(steps[chain]));
    }
  }
}

TEST_CASE("parallel: threads spread over chains, and help where none is left to begin") {
  const Threads four(4);
  std::mutex mutex;
  std::vector<int64_t> joined;
  std::atomic<bool> waited_in_vain = false;
  const auto all_have_joined = [&] {
    const std::lock_guard lock(mutex);
    return joined.size() == 4;
  };
  std::atomic<bool> left = true;
  parallel_chains(
      2, [&](int64_t) { return left.load(); },
      [&](int64_t chain) {
        {
          const std::lock_guard lock(mutex);
          joined.push_back(chain);
        }
        const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!all_have_joined() && !waited_in_vain)
          waited_in_vain = std::chrono::steady_clock::now() > late;
        left = false;
      });
  CHECK(!waited_in_vain);
  CHECK(std::ranges::count(joined, 0) == 2);
  CHECK(std::ranges::count(joined, 1) == 2);
}

TEST_CASE("parallel: of chains that fail the first one's exception is thrown") {
  for (const int threads : {1, 2, 5}) {
    const Threads these(threads);
    for (int round = 0; round < 50; ++round) {
      std::vector<std::atomic<bool>> left(16);
      for (auto& chain : left) chain = true;
      std::string told;
      try {
        parallel_chains(
            16, [&](int64_t chain) { return left[chain].load(); },
            [&](int64_t chain) {
              left[chain] = false;
              if (chain % 7 == 3) throw std::runtime_error(std::to_string(chain));
            });
      } catch (const std::runtime_error& error) {
        told = error.what();
      }
      REQUIRE(told == "3");
    }
  }
}
