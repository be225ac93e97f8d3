#pragma once
// How far a long run is: one redrawn line on a terminal, now and then a plain line elsewhere (a log, a pipe).
#include <cstdint>
#include <functional>
#include <string>

namespace scca {

/// "0:07", "12:05", "1:02:03", "3 d 4 h".
std::string format_duration(double seconds);

/// Three figures are enough to watch a run: "7", "950", "5.12k", "12.3M".
std::string short_number(double value);

/// Where progress goes. The default is stderr; tests give their own clock and width.
struct ProgressOutput {
  std::function<void(const std::string&)> write;
  std::function<int()> columns;     // of the terminal, asked at every redraw: windows get resized
  std::function<double()> seconds;  // a clock that never goes back
  bool terminal = false;

  static ProgressOutput standard_error();
};

class Progress {
 public:
  /// `already_done`: what an earlier sitting did. It counts as done but not towards the speed.
  Progress(std::string title, int64_t total, int64_t already_done = 0,
           ProgressOutput output = ProgressOutput::standard_error());
  /// Of work that says how long it is with its first step. The time before that step counts.
  explicit Progress(std::string title, ProgressOutput output = ProgressOutput::standard_error());
  /// Ends the line if finish() was not reached, so that an error message starts on its own line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `detail` is what the run has to say, e.g. "loss 3.21  5.1k tok/s". Cheap to call at every step: a
  /// terminal is redrawn at most 10 times a second; elsewhere a line is written at the first and the last
  /// step, and in between at every tenth of the work (but not twice a second) or after 10 s, which slowly
  /// become minutes on a long run.
  void update(int64_t done, const std::string& detail = "");
  void update(int64_t done, int64_t total, const std::string& detail = "");
  /// A line of its own, above the bar.
  void note(const std::string& line);
  /// Shows the last state with the time taken, and ends the line; nothing where no step has said how long the
  /// work is. Nothing after it is shown.
  void finish();

 private:
  std::string line(int columns, bool last) const;
  std::string time_left(bool last) const;
  void redraw(bool last);
  bool plain_line_due(double now) const;

  std::string title_, detail_;
  int64_t total_, first_done_, done_;  // total_: -1 before it is known
  ProgressOutput output_;
  double started_, last_update_, last_shown_ = -1e300;
  int64_t last_shown_done_ = -1;
  double recent_work_ = 0, recent_seconds_ = 0;  // both fade: the speed is that of about the last half minute
  bool line_open_ = false, finished_ = false;
};

}  // namespace scca
