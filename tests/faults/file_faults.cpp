// Preloaded into a program (LD_PRELOAD) it makes the program's file calls go wrong, as a kill, a power cut or
// a full disk does. SCCA_FAULT says how: "MODE N NAME".
//   kill: the N-th call that changes a file is the last; of a write only the first half is done
//   full: from the N-th such call on the disk is full
// Counted are calls after the first rename to a path that ends with NAME, or all where there is no NAME.
// tests/faults/faults.h sets it.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Fault {
  char mode[8] = "";
  long at = 0;
  char name[256] = "";
  Fault() {
    if (const char* text = std::getenv("SCCA_FAULT")) std::sscanf(text, "%7s %ld %255s", mode, &at, name);
  }
  bool is(const char* wanted) const { return std::strcmp(mode, wanted) == 0; }
};

const Fault& fault() {
  static const Fault read;
  return read;
}

std::atomic<long> calls = 0;
std::atomic<bool> begun = false;

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

/// Counts a call. 0: it goes well; 1: it is the last; 2: the disk is full.
int outcome() {
  if (!begun && fault().name[0] != 0) return 0;
  const long call = ++calls;
  if (fault().is("kill") && call == fault().at) return 1;
  return fault().is("full") && call >= fault().at ? 2 : 0;
}

/// What a call that writes no bytes comes to.
template <class Call>
int changed(const Call& call) {
  const int what = outcome();
  if (what == 2) {
    errno = ENOSPC;
    return -1;
  }
  const int result = call();
  if (what == 1) kill(getpid(), SIGKILL);
  return result;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  static const auto real = next<int(const char*, int, ...)>("open");
  if (!(flags & O_CREAT)) return real(path, flags, mode);
  return changed([&] { return real(path, flags, mode); });
}

ssize_t write(int descriptor, const void* data, size_t bytes) {
  static const auto real = next<ssize_t(int, const void*, size_t)>("write");
  if (descriptor <= STDERR_FILENO) return real(descriptor, data, bytes);
  const int what = outcome();
  if (what == 0) return real(descriptor, data, bytes);
  const ssize_t half = bytes > 1 ? real(descriptor, data, bytes / 2) : 0;
  if (what == 1) kill(getpid(), SIGKILL);
  if (half > 0) return half;  // a full disk takes what fits, then nothing
  errno = ENOSPC;
  return -1;
}

ssize_t pwrite(int descriptor, const void* data, size_t bytes, off_t offset) {
  static const auto real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  const int what = outcome();
  const ssize_t written = real(descriptor, data, what == 1 ? bytes / 2 : bytes, offset);
  if (what == 1) kill(getpid(), SIGKILL);
  return written;
}

int fsync(int descriptor) {
  static const auto real = next<int(int)>("fsync");
  return changed([&] { return real(descriptor); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  static const auto real = next<int(const char*, mode_t)>("mkdir");
  return changed([&] { return real(path, mode); });
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int(const char*, const char*)>("rename");
  const int result = changed([&] { return real(from, to); });
  const size_t length = std::strlen(to), wanted = std::strlen(fault().name);
  if (wanted > 0 && length >= wanted && std::strcmp(to + length - wanted, fault().name) == 0) begun = true;
  return result;
}

int unlink(const char* path) noexcept {
  static const auto real = next<int(const char*)>("unlink");
  const int what = outcome();
  const int result = real(path);
  if (what == 1) kill(getpid(), SIGKILL);
  return result;
}

}  // extern "C"
