#pragma once
// Signals that ask the process to end. None is ever handled on a thread that computes: oneDNN's generated CPU
// products keep their stack pointer in a heap workspace while they run, and the kernel would write a
// handler's frame there, over malloc's memory. So they are blocked in every thread, and one thread that does
// nothing else takes them by sigwait. (An alternate stack would have to be given to every thread, OpenMP's
// and CUDA's among them; a mask is inherited.) A program of your own that calls this library: a handler of
// any kind, a profiler's SIGPROF too, must run on a thread that calls no op, or on an alternate stack
// (SA_ONSTACK).

namespace scca {

/// From here on SIGINT, SIGTERM, SIGHUP and SIGXCPU end the process by the signal's usual death, so that a
/// shell sees what it expects, and leave nothing half-made behind (core/unfinished.h); while an
/// InterruptGuard lives the first one only sets a flag, and a second SIGINT ends the process. The others are
/// known to come twice for one request (timeout, a terminal that closes, service managers) and change nothing
/// then. One that the parent had ignored (nohup) stays ignored. SIGPIPE and SIGXFSZ are ignored: the write
/// reports the error. Call it in main, before there is a second thread. A program that is started from here
/// inherits the mask and the ignored two.
void take_signals();

/// While one of these lives, a first signal only makes requested() true.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// Once true it stays so, for all guards: it is the process that was asked to end.
  static bool requested();
};

}  // namespace scca
