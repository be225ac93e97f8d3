#pragma once
// Runs the command line as a user does: the real binary, its exit code, and its two streams apart.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
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

/// `scca arguments...` while it runs, to be watched, signalled and waited for.
class RunningScca {
 public:
  /// `largest_file`: bytes beyond which a write fails, as on a full disk; 0 for none.
  explicit RunningScca(const std::vector<std::string>& arguments, rlim_t largest_file = 0) {
    std::vector<char*> argv{const_cast<char*>(SCCA_BINARY)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    child_ = fork();
    SCCA_CHECK(child_ >= 0, "fork failed");
    if (child_ != 0) return;
    // nothing but system calls here: the parent has threads
    dup2(open(out_.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    dup2(open(err_.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    if (largest_file > 0) {
      const rlimit limit{largest_file, largest_file};
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, SIG_IGN);  // the write fails in place of the process
    }
    execv(SCCA_BINARY, argv.data());
    _exit(127);
  }

  void send(int signal) const { kill(child_, signal); }

  RunResult wait() {
    int status = 0;
    waitpid(child_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text_file(out_), read_text_file(err_)};
  }

 private:
  TemporaryFolder folder_;
  std::string out_ = (folder_ / "out").string(), err_ = (folder_ / "err").string();
  pid_t child_ = -1;
};

/// Runs `scca arguments...` to its end.
inline RunResult run_scca(const std::vector<std::string>& arguments) { return RunningScca(arguments).wait(); }

}  // namespace scca::test
