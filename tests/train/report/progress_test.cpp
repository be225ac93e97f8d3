#include "train/report/progress.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/check.h"

using namespace scca;

namespace {

/// A terminal or a log whose clock and width the test turns.
struct Screen {
  std::string text;
  int writes = 0, width = 80;
  double now = 1000;

  ProgressOutput output(bool terminal) {
    return {.write = [this](const std::string& part) { text += part, ++writes; },
            .columns = [this] { return width; },
            .seconds = [this] { return now; },
            .terminal = terminal};
  }
  /// What a person sees: the lines, each after its redraws.
  std::vector<std::string> lines() const {
    std::vector<std::string> out(1);
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') {
        out.emplace_back();
      } else if (text[i] == '\r') {
        out.back().clear();
      } else if (text.compare(i, 3, "\x1b[K") == 0) {
        i += 2;
      } else {
        out.back() += text[i];
      }
    }
    return out;
  }
  std::string last_line() const { return lines().back(); }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("progress: durations and numbers as a person writes them") {
  CHECK(format_duration(7) == "0:07");
  CHECK(format_duration(725.4) == "12:05");
  CHECK(format_duration(3723) == "1:02:03");
  CHECK(format_duration(76 * 3600) == "3 d 4 h");
  CHECK(format_duration(-1) == "?");
  CHECK(format_duration(1e300) == "?");
  CHECK(short_number(7) == "7");
  CHECK(short_number(950.4) == "950");
  CHECK(short_number(999.7) == "1.00k");
  CHECK(short_number(5123) == "5.12k");
  CHECK(short_number(99960) == "100k");
  CHECK(short_number(12345678) == "12.3M");
  CHECK(short_number(-2500) == "-2.50k");
  CHECK(short_number(3.14159) == "3.14");
}

TEST_CASE("progress: a terminal shows one line, at most ten times a second") {
  Screen screen;
  Progress progress("train", 1000, 0, screen.output(true));
  for (int step = 1; step <= 500; ++step) {
    screen.now += 0.01;  // 100 steps a second for 5 seconds
    progress.update(step, "loss 3.21");
  }
  CHECK(screen.writes >= 45);
  CHECK(screen.writes <= 51);
  CHECK(std::count(screen.text.begin(), screen.text.end(), '\n') == 0);
  std::string line = screen.last_line();
  CHECK(has(line, "train  ["));
  CHECK(has(line, "/1000  loss 3.21  ETA 0:05"));
  progress.update(1000, "loss 3.00");
  CHECK(has(screen.last_line(), "1000/1000  loss 3.00"));  // the last is shown at once
  progress.finish();
  CHECK(screen.lines().size() == 2);
  CHECK(has(screen.lines()[0], "took 0:05"));
  int writes = screen.writes;
  progress.finish();
  progress.update(1000);
  CHECK(screen.writes == writes);
}

TEST_CASE("progress: the bar's filled part follows the work") {
  Screen screen;
  Progress progress("", 100, 0, screen.output(true));
  for (int step : {25, 50, 75, 100}) {
    screen.now += 1;
    progress.update(step);
    std::string line = screen.last_line();
    size_t open = line.find('['), close = line.find(']');
    REQUIRE(close != std::string::npos);
    CHECK(open == 0);
    auto filled = std::count_if(line.begin(), line.end(), [](char c) { return c == '=' || c == '>'; });
    CHECK(filled == static_cast<int>(step / 100.0 * static_cast<double>(close - open - 1)));
  }
}

TEST_CASE("progress: never wider than the terminal, and the count is what stays longest") {
  for (int width = 1; width < 120; ++width) {
    Screen screen;
    screen.width = width;
    Progress progress("fine-tune scca-fixed", 60000, 0, screen.output(true));
    screen.now += 2;
    progress.update(31234, "loss 3.210  5.12k tok/s");
    CHECK(static_cast<int>(screen.last_line().size()) <= std::max(1, width - 1));
    if (width > 12) CHECK(has(screen.last_line(), "31234/60000"));
    if (width > 50) CHECK(has(screen.last_line(), "ETA"));
    CHECK(has(screen.last_line(), "[") == (width > 78));
    screen.width = 200;  // the window was made wider: seen at the next redraw
    screen.now += 1;
    progress.update(31300, "loss 3.210");
    CHECK(has(screen.last_line(), "["));
  }
}

TEST_CASE("progress: a resumed run's time left counts this sitting's speed only") {
  Screen screen;
  Progress progress("train", 1000, 900, screen.output(true));
  screen.now += 10;
  progress.update(910);
  CHECK(has(screen.last_line(), "910/1000"));
  CHECK(has(screen.last_line(), "ETA 1:30"));
}

TEST_CASE("progress: the time left follows a change of speed within a minute or two") {
  Screen screen;
  Progress progress("train", 10000, 0, screen.output(true));
  int done = 0;
  for (int i = 0; i < 300; ++i) screen.now += 1, progress.update(done += 10);
  CHECK(has(screen.last_line(), "ETA 11:40"));  // 7000 left at 10 a second
  for (int i = 0; i < 300; ++i) screen.now += 1, progress.update(done += 1);
  CHECK(has(screen.last_line(), "ETA 1:51:"));  // 6700 left at 1 a second: 1:51:40
}

TEST_CASE("progress: a note stands on its own line and the bar comes back below it") {
  Screen screen;
  Progress progress("train", 10, 0, screen.output(true));
  progress.note("before");
  screen.now += 1;
  progress.update(3, "loss 1");
  progress.note("saved checkpoint");
  auto lines = screen.lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "before");
  CHECK(lines[1] == "saved checkpoint");
  CHECK(has(lines[2], "3/10"));
}

TEST_CASE("progress: a run that throws leaves the cursor on a new line") {
  Screen screen;
  try {
    Progress progress("train", 10, 0, screen.output(true));
    progress.update(3);
    fail("out of memory");
  } catch (const Error&) {
  }
  CHECK(screen.text.back() == '\n');
}

TEST_CASE("progress: a log gets the first, the last and about every tenth") {
  Screen screen;
  {
    Progress progress("train", 600, 0, screen.output(false));
    for (int step = 1; step <= 600; ++step) screen.now += 0.1, progress.update(step, "loss 2");
    progress.finish();
  }
  auto lines = screen.lines();
  CHECK(lines.size() == 12);  // 1, 60, 120, ... 540, and the end; and nothing after the last line end
  CHECK(has(lines[0], "train  1/600    0%  loss 2"));
  CHECK(has(lines[1], "60/600   10%"));
  CHECK(has(lines[10], "600/600  100%  loss 2  took 1:00"));
  CHECK(lines.back().empty());
  CHECK(screen.text.find('\r') == std::string::npos);
  CHECK(screen.text.find('\x1b') == std::string::npos);
}

TEST_CASE(
    "progress: a log of a slow run speaks every 10 s, of a very long one less often, of a fast one briefly") {
  Screen slow;
  Progress day("train", 1000000, 0, slow.output(false));
  for (int second = 1; second <= 100; ++second) slow.now += 1, day.update(second);
  CHECK(slow.lines().size() - 1 == 10);
  for (int second = 101; second <= 86400; ++second) slow.now += 1, day.update(second);
  CHECK(slow.lines().size() < 150);
  CHECK(slow.lines().size() > 80);

  Screen fast;
  Progress blink("train", 1000, 0, fast.output(false));
  for (int step = 1; step <= 1000; ++step) fast.now += 1e-4, blink.update(step);
  blink.finish();
  CHECK(fast.lines().size() - 1 == 2);
}

TEST_CASE("progress: no work at all is finished work; more done than there is, is an error") {
  Screen screen;
  Progress nothing("eval", 0, 0, screen.output(false));
  nothing.finish();
  CHECK(has(screen.text, "0/0  100%"));
  CHECK_THROWS_AS(Progress("x", 5, 6, screen.output(false)), Error);
}

TEST_CASE("progress: work that says how long it is with its first step; the time before that counts") {
  Screen screen;
  Progress progress("eval", screen.output(false));
  screen.now += 30;
  progress.update(1, 4, "x");
  CHECK(screen.lines()[0] == "eval  1/4   25%  x  ETA 1:30");
  screen.now += 30;
  progress.update(4, 4);
  progress.finish();
  CHECK(screen.lines()[1] == "eval  4/4  100%  took 1:00");
  CHECK(screen.lines().size() == 3);

  Screen silent;
  Progress("eval", silent.output(false)).finish();  // nothing was done
  CHECK(silent.text.empty());
}
