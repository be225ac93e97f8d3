#include "train/run/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>

#include "core/unfinished.h"

namespace scca {
namespace {

// A Ctrl-C this soon after the first request is the same one: some parents pass on what the terminal sent to
// the whole group already.
constexpr std::chrono::milliseconds kSameRequest{100};
constexpr size_t kStackBytes = 256 << 10;

std::atomic<bool> requested{false};
std::atomic<int> guards{0};
sigset_t taken;  // written before the thread starts

/// A terminal that is gone is no reason to stop, and a reader that is slow none to wait: the next signal
/// counts.
void say(const char* text) {
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&out, 1, 0) == 1 && ::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

/// What the parent would have seen without this thread: a process killed by the signal.
[[noreturn]] void end_by(int signal) {
  remove_unfinished();
  ::signal(signal, SIG_DFL);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

void* take_them(void*) {
  std::chrono::steady_clock::time_point first;
  for (;;) {
    int signal = 0;
    if (sigwait(&taken, &signal) != 0) continue;
    if (guards == 0) end_by(signal);
    if (!requested.exchange(true)) {
      first = std::chrono::steady_clock::now();
      if (::isatty(STDERR_FILENO)) say("\n");  // the progress line is open
      say("stopping after this step, to save; Ctrl-C again ends at once\n");
    } else if (signal == SIGINT && std::chrono::steady_clock::now() - first > kSameRequest) {
      end_by(signal);
    }
  }
}

bool ignored(int signal) {
  struct sigaction action;
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void take_signals() {
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
  sigemptyset(&taken);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU})
    if (!ignored(signal)) sigaddset(&taken, signal);  // a blocked signal would be queued all the same
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &taken, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, take_them, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) return;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::cerr << "warning: no thread for signals (" << std::strerror(error)
            << "); Ctrl-C ends the process at once, without saving\n";
}

InterruptGuard::InterruptGuard() { ++guards; }

InterruptGuard::~InterruptGuard() { --guards; }

bool InterruptGuard::requested() { return scca::requested; }

}  // namespace scca
