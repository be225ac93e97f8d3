#include "train/cli/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "core/check.h"

namespace scca {

void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // open gives the lowest one that is free, which is this one: those below are open
    if (::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) != descriptor) ::_exit(1);
  }
}

void check_stdout() {
  errno = 0;
  std::cout.flush();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  const int error = errno;
  if (!written)
    fail("stdout cannot be written", error ? concat(" (", std::strerror(error), ")") : std::string(),
         "; is the disk full, or the reader gone?");
}

void check_stdin() {
  if (std::ferror(stdin) != 0 || std::cin.bad()) fail("stdin cannot be read; is it closed, or a folder?");
}

}  // namespace scca
