#pragma once
// Runs the command line as a user does: the real binary, its exit code, and its two streams apart.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/file.h"
#include "tests/temporary_folder.h"

namespace scca::test {

struct RunResult {
  int code = -1;  // -1: ended by a signal
  std::string out, err;

  /// stdout, which must be one JSON object and nothing else.
  nlohmann::json json() const {
    SCCA_CHECK(code == 0, "exit code ", code, ": ", err);
    return nlohmann::json::parse(out);
  }
  bool one_error_line() const {
    return out.empty() && !err.empty() && err.find('\n') == err.size() - 1 && err.starts_with("scca");
  }
};

/// Runs `scca arguments...` to its end.
inline RunResult run_scca(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string(), err = (folder / "err").string();
  std::vector<char*> argv{const_cast<char*>(SCCA_BINARY)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  SCCA_CHECK(child >= 0, "fork failed");
  if (child == 0) {  // nothing but system calls here: the parent has threads
    dup2(open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    execv(SCCA_BINARY, argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text_file(out), read_text_file(err)};
}

}  // namespace scca::test
