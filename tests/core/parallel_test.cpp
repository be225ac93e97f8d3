#include "core/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using namespace scca;

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
