#pragma once
// Ctrl-C in two stages: the first asks a loop to end well, the second ends the process.

namespace scca {

/// While one of these lives, the first SIGINT or SIGTERM only sets a flag; after it the signal has its usual
/// effect again, so that the second one kills.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;
};

}  // namespace scca
