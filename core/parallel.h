#pragma once
// Loops over threads (OpenMP). Every index is handled by one thread and no result depends on which: sums that
// cross indices are the caller's, in an order of its own.
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

namespace scca {

/// Elements below which a thread is not worth waking for a loop that reads and writes each element once.
inline constexpr int64_t kElementwiseGrain = 1 << 14;

inline int thread_count() { return omp_in_parallel() ? 1 : omp_get_max_threads(); }

/// What the bodies of a loop throw, which must not leave a parallel region: of several that of the lowest
/// index, so that a message does not depend on which thread was faster.
class FirstException {
 public:
  /// Within a catch.
  void keep(int64_t index) {
#pragma omp critical(scca_parallel_exception)
    if (!thrown_ || index < index_) {
      thrown_ = std::current_exception();
      index_ = index;
    }
  }
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::exception_ptr thrown_;
  int64_t index_ = 0;
};

/// Parts of a thread's share of a loop: a thread that the system takes off its CPU leaves those that it has
/// not begun to the others.
inline constexpr int64_t kPartsOfShare = 4;

/// The parts of one thread's share that nobody has begun. A cache line each, since all threads count in them.
struct alignas(64) PartsLeft {
  std::atomic<int64_t> next;
  int64_t end;
};

/// body(begin, end) over disjoint ranges that cover [0, count), each of at least `grain` indices (but for the
/// last). Threads begin with shares of one size, so that each has in its caches what it had in the loop
/// before, and help those that fall behind.
template <class Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  if (count <= 0) return;
  const int64_t most = count / std::max<int64_t>(grain, 1);
  const int64_t threads = std::clamp<int64_t>(most, 1, thread_count());
  if (threads == 1) {
    body(int64_t{0}, count);
    return;
  }
  const int64_t of_share = std::min(most / threads, kPartsOfShare), parts = threads * of_share;
  std::vector<PartsLeft> shares(static_cast<size_t>(threads));
  for (int64_t t = 0; t < threads; ++t) {
    shares[static_cast<size_t>(t)].next = t * of_share;
    shares[static_cast<size_t>(t)].end = (t + 1) * of_share;
  }
  FirstException first;
#pragma omp parallel num_threads(static_cast <int>(threads))
  for (int64_t t = 0; t < threads; ++t) {
    PartsLeft& share = shares[static_cast<size_t>((omp_get_thread_num() + t) % threads)];
    for (int64_t part; (part = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
      try {
        body(count * part / parts, count * (part + 1) / parts);
      } catch (...) {
        first.keep(part);
      }
    }
  }
  first.rethrow();
}

/// body(task) for tasks of uneven cost: threads take the next one as they come free. Of several exceptions
/// that of the first task is thrown, on any number of threads.
template <class Body>
void parallel_tasks(int64_t count, const Body& body) {
  if (count <= 1 || thread_count() == 1) {
    for (int64_t task = 0; task < count; ++task) body(task);
    return;
  }
  FirstException first;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t task = 0; task < count; ++task) {
    try {
      body(task);
    } catch (...) {
      first.keep(task);
    }
  }
  first.rethrow();
}

/// Work in chains, whose steps begin one after the other. `work(chain)` begins steps until `left(chain)` says
/// that none is left to begin, and may run on several threads at once, which share the steps out among them.
/// A thread joins the chain with the fewest threads: one of its own, or, when all have begun, another's.
template <class Left, class Work>
void parallel_chains(int64_t chains, const Left& left, const Work& work) {
  if (thread_count() == 1) {
    for (int64_t chain = 0; chain < chains; ++chain) work(chain);
    return;
  }
  std::vector<int> threads(static_cast<size_t>(chains));
  int64_t used_up = 0;  // of no chain below is a step left
  const auto join = [&] {
    int64_t best = -1;
    while (used_up < chains && !left(used_up)) ++used_up;
    for (int64_t chain = used_up; chain < chains; ++chain) {
      if (!left(chain) || (best >= 0 && threads[chain] >= threads[best])) continue;
      best = chain;
      if (threads[best] == 0) break;
    }
    if (best >= 0) ++threads[best];
    return best;
  };
  FirstException first;
#pragma omp parallel
  for (;;) {
    int64_t chain = 0;
#pragma omp critical(scca_parallel_chains)
    chain = join();
    if (chain < 0) break;
    try {
      work(chain);
    } catch (...) {
      first.keep(chain);
      break;
    }
#pragma omp critical(scca_parallel_chains)
    --threads[chain];
  }
  first.rethrow();
}

}  // namespace scca
