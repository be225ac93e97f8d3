#pragma once
// Loops over threads (OpenMP). Every index is handled by one thread and no result depends on which: sums that
// cross indices are the caller's, in an order of its own.
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>

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

/// body(begin, end) over disjoint ranges that cover [0, count), each of at least `grain` indices (but for the
/// last).
template <class Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  if (count <= 0) return;
  const int64_t parts = std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, thread_count());
  if (parts == 1) {
    body(int64_t{0}, count);
    return;
  }
  FirstException first;
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
  for (int64_t part = 0; part < parts; ++part) {
    try {
      body(count * part / parts, count * (part + 1) / parts);
    } catch (...) {
      first.keep(part);
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

}  // namespace scca
