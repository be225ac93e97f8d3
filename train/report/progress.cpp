#include "train/report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/check.h"

namespace scca {
namespace {

constexpr double kRedrawSeconds = 0.1, kFadeSeconds = 30;
constexpr int kWidestBar = 30, kNarrowestBar = 8;
const std::string kGap = "  ";

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Columns a terminal gives the text: characters, not bytes.
int columns_of(const std::string& text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c >> 6) != 2; }));
}

std::string cut_to(const std::string& text, int columns) {
  size_t at = 0;
  for (int seen = 0; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) >> 6) != 2 && seen++ == columns) break;
  return text.substr(0, at);
}

std::string bar(int columns, double share) {
  int inside = columns - 2, filled = static_cast<int>(std::floor(std::clamp(share, 0.0, 1.0) * inside));
  std::string text(static_cast<size_t>(inside), ' ');
  std::fill(text.begin(), text.begin() + filled, '=');
  if (filled > 0 && filled < inside) text[static_cast<size_t>(filled) - 1] = '>';
  return "[" + text + "]";
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  auto s = static_cast<long long>(std::llround(seconds));
  char text[64];
  if (s < 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  } else if (s < 48 * 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld d %lld h", s / 86400, s / 3600 % 24);
  }
  return text;
}

std::string short_number(double value) {
  double size = std::fabs(value);
  if (!std::isfinite(value) || size >= 9.995e14) return formatted("%.3g", value);
  if (size < 999.5) return formatted("%.3g", value);
  static constexpr const char* units[] = {"k", "M", "G", "T"};
  int unit = 0;
  for (size /= 1000, value /= 1000; size >= 999.5 && unit < 3; ++unit) size /= 1000, value /= 1000;
  int decimals = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s", decimals, value, units[unit]);
  return text;
}

ProgressOutput ProgressOutput::standard_error() {
  ProgressOutput output;
  output.write = [](const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  output.columns = [] {
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  };
  output.seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const char* term = std::getenv("TERM");
  output.terminal = isatty(STDERR_FILENO) != 0 && term != nullptr && std::strcmp(term, "dumb") != 0;
  return output;
}

Progress::Progress(std::string title, int64_t total, int64_t already_done, ProgressOutput output)
    : title_(std::move(title)),
      total_(total),
      first_done_(already_done),
      done_(already_done),
      output_(std::move(output)) {
  SCCA_CHECK(total >= 0 && already_done >= 0 && already_done <= total, "progress: ", already_done, " of ",
             total, " done at the start, expected 0 to the total");
  started_ = last_update_ = output_.seconds();
}

Progress::Progress(std::string title, ProgressOutput output)
    : Progress(std::move(title), 0, 0, std::move(output)) {
  total_ = -1;
}

Progress::~Progress() {
  if (!line_open_) return;
  try {
    output_.write("\n");
  } catch (...) {  // progress is no reason to end a program
  }
}

void Progress::update(int64_t done, const std::string& detail) {
  if (finished_) return;
  double now = output_.seconds(), passed = std::max(0.0, now - last_update_);
  double keep = std::exp(-passed / kFadeSeconds);
  recent_work_ = recent_work_ * keep + static_cast<double>(done - done_);
  recent_seconds_ = recent_seconds_ * keep + passed;
  last_update_ = now;
  done_ = done;
  detail_ = detail;
  if (output_.terminal ? now - last_shown_ >= kRedrawSeconds || done >= total_ : plain_line_due(now))
    redraw(false);
}

void Progress::update(int64_t done, int64_t total, const std::string& detail) {
  total_ = total;
  update(done, detail);
}

bool Progress::plain_line_due(double now) const {
  if (done_ >= total_) return false;      // the last is finish()'s, with the time taken
  if (last_shown_done_ < 0) return true;  // the first
  double silent = now - last_shown_;
  if (silent >= std::max(10.0, (now - started_) / 20)) return true;
  auto tenth = [&](int64_t done) { return total_ == 0 ? 0.0 : std::floor(10.0 * done / total_); };
  return tenth(done_) > tenth(last_shown_done_) && silent >= 0.5;
}

void Progress::note(const std::string& text) {
  bool redraws = line_open_;
  output_.write(concat(redraws ? "\r\x1b[K" : "", text, "\n"));
  line_open_ = false;
  if (redraws) redraw(false);
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (total_ < 0) return;
  redraw(true);
  if (line_open_) output_.write("\n");
  line_open_ = false;
}

void Progress::redraw(bool last) {
  last_shown_ = output_.seconds();
  last_shown_done_ = done_;
  if (output_.terminal) {
    // A line that fills the last column would wrap on some terminals.
    output_.write("\r" + line(std::max(1, output_.columns() - 1), last) + "\x1b[K");
    line_open_ = true;
  } else {
    output_.write(line(0, last) + "\n");
  }
}

std::string Progress::time_left(bool last) const {
  if (last) return "took " + format_duration(output_.seconds() - started_);
  if (done_ >= total_) return "ETA 0:00";
  if (recent_work_ <= 0 || recent_seconds_ <= 0) return "";
  return "ETA " + format_duration(static_cast<double>(total_ - done_) * recent_seconds_ / recent_work_);
}

/// `columns` = 0 is a plain line: no bar, no limit. On a narrow terminal the bar shrinks, then goes; then the
/// title; then the end of what is left is cut.
std::string Progress::line(int columns, bool last) const {
  double share = total_ == 0 ? 1.0 : static_cast<double>(done_) / static_cast<double>(total_);
  std::string count = concat(done_, "/", total_), percent = formatted("%3.0f%%", std::floor(100 * share));
  std::string rest;
  for (const std::string& part : {detail_, time_left(last)})
    if (!part.empty()) rest += kGap + part;
  std::string lead = title_.empty() ? "" : title_ + kGap;
  if (columns == 0) return lead + count + kGap + percent + rest;

  int needed = columns_of(lead + kGap + count + rest);
  if (int room = std::min(kWidestBar, columns - needed); room >= kNarrowestBar)
    return lead + bar(room, share) + kGap + count + rest;
  if (std::string text = lead + count + rest; columns_of(text) <= columns) return text;
  return cut_to(count + rest, columns);
}

}  // namespace scca
