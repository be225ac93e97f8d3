#pragma once
// Runs the command line as a user does: the real binary, its exit code, and its two streams apart.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/file.h"
#include "tests/temporary_folder.h"

namespace scca::test {

struct RunResult {
  int code = -1;  // -1: ended by a signal
  std::string out, err;
  int signal = 0;  // that ended it

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
  /// `largest_file`: bytes beyond which a write fails, as on a full disk; 0 for none. `in_child` is run last
  /// before the program is: system calls only, since the parent has threads.
  explicit RunningScca(const std::vector<std::string>& arguments, rlim_t largest_file = 0,
                       const std::function<void()>& in_child = {}) {
    std::vector<char*> argv{const_cast<char*>(SCCA_BINARY)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    for (const std::string& file : {out_, err_}) write_file(file, "");
    child_ = fork();
    SCCA_CHECK(child_ >= 0, "fork failed");
    if (child_ != 0) return;
    dup2(open(out_.c_str(), O_WRONLY), STDOUT_FILENO);
    dup2(open(err_.c_str(), O_WRONLY), STDERR_FILENO);
    // as a terminal starts it, also when the tests run under nohup or as a script's background job
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    if (largest_file > 0) {
      const rlimit limit{largest_file, largest_file};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (in_child) in_child();
    execv(SCCA_BINARY, argv.data());
    _exit(127);
  }

  /// A test that gives up leaves nothing running.
  ~RunningScca() {
    if (ended()) return;
    send(SIGKILL);
    waitpid(child_, &status_, 0);
  }
  RunningScca(const RunningScca&) = delete;
  RunningScca& operator=(const RunningScca&) = delete;

  void send(int signal) const { kill(child_, signal); }
  pid_t pid() const { return child_; }
  std::string out() const { return read_text_file(out_); }
  std::string err() const { return read_text_file(err_); }
  bool ended() { return ended_ = ended_ || waitpid(child_, &status_, WNOHANG) == child_; }

  /// Waits until `holds()`, and says whether it did before the program ended; at most a minute.
  template <class Holds>
  bool until(const Holds& holds) {
    for (int i = 0; i < 60000 && !ended(); ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return holds();
  }

  RunResult wait() {
    if (!ended_) waitpid(child_, &status_, 0);
    ended_ = true;
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -1, out(), err(),
            WIFSIGNALED(status_) ? WTERMSIG(status_) : 0};
  }

 private:
  TemporaryFolder folder_;
  std::string out_ = (folder_ / "out").string(), err_ = (folder_ / "err").string();
  pid_t child_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

/// Runs `scca arguments...` to its end.
inline RunResult run_scca(const std::vector<std::string>& arguments) { return RunningScca(arguments).wait(); }

}  // namespace scca::test
