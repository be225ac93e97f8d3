#include "train/run/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>

#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using test::TemporaryFolder;

namespace {

StepMetrics metric(int64_t step) {
  return {.step = step,
          .loss = 1.0 / static_cast<double>(step),
          .lr = 0.1,
          .grad_norm = 2,
          .tokens_per_s = 9,
          .peak_bytes = 100};
}

std::string line_of(int64_t step) { return to_json(metric(step)).dump(); }

std::string lines_of(const std::vector<int64_t>& steps) {
  std::string text;
  for (const int64_t step : steps) text += line_of(step) + "\n";
  return text;
}

struct File {
  TemporaryFolder folder;
  std::filesystem::path path = folder / "metrics.jsonl";

  /// The steps of what is read. Every other whole line must have been named.
  std::vector<int64_t> steps(const std::string& text) const {
    write_file(path, text);
    std::ostringstream notes;
    std::streambuf* const before = std::cerr.rdbuf(notes.rdbuf());
    std::vector<int64_t> steps;
    for (const StepMetrics& line : read_metrics(path)) steps.push_back(line.step);
    std::cerr.rdbuf(before);
    const auto named = std::ranges::count(notes.str(), '\n'), lines = std::ranges::count(text, '\n');
    const bool last_lacks_end = !text.empty() && text.back() != '\n';
    CHECK(named + static_cast<std::ptrdiff_t>(steps.size()) >= lines);
    CHECK(named + static_cast<std::ptrdiff_t>(steps.size()) <= lines + last_lacks_end);
    return steps;
  }
};

using Steps = std::vector<int64_t>;

std::vector<StepMetrics> evaluated_lines() {
  std::vector<StepMetrics> lines;
  for (int64_t step = 1; step <= 4; ++step) lines.push_back(metric(step));
  lines[1].eval_loss = 2.5, lines[3].eval_loss = 2;
  return lines;
}

}  // namespace

TEST_CASE("metrics: the file is cut to the checkpoint's step, and a half line goes") {
  const File file;
  {
    Metrics metrics(file.path, 0);
    for (int64_t step = 1; step <= 5; ++step) metrics.append(metric(step));
  }
  const std::string five = read_text_file(file.path);
  CHECK(five == lines_of({1, 2, 3, 4, 5}));
  write_file(file.path, five + "{\"step\": 6, \"lo");  // a run killed while it wrote
  {
    Metrics metrics(file.path, 3);
    CHECK(metrics.before().size() == 3);
    CHECK(read_text_file(file.path) == lines_of({1, 2, 3}));
    metrics.append(metric(4));
    metrics.append(metric(5));
  }
  CHECK(read_text_file(file.path) == five);
  { Metrics metrics(file.path, 0); }
  CHECK(read_text_file(file.path).empty());
}

TEST_CASE("metrics: any one damaged line is lost, and only it") {
  const File file;
  const std::string whole = lines_of({1, 2, 3, 4, 5});
  for (const size_t damaged : {size_t{0}, size_t{2}, size_t{4}}) {  // the first, one in the middle, the last
    const std::string line = line_of(static_cast<int64_t>(damaged) + 1);
    const size_t begin = whole.find(line);
    Steps others{1, 2, 3, 4, 5};
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(damaged));
    for (size_t i = 0; i < line.size(); ++i) {
      for (const char* value : {"?", "\"", "0"}) {
        const std::string broken = std::string(whole).replace(begin + i, 1, value);
        CAPTURE(broken);
        const Steps steps = file.steps(broken);
        // A digit of a figure may become another one: such a line cannot be told from a whole one.
        CHECK((steps == others || steps == Steps{1, 2, 3, 4, 5}));
      }
      CHECK(file.steps(std::string(whole).replace(begin + i, 1, "\x01")) == others);
    }
  }
}

TEST_CASE("metrics: a damaged step number is seen by its neighbours") {
  const File file;
  CHECK(file.steps(lines_of({1, 2, 7, 4, 5})) == Steps{1, 2, 4, 5});
  CHECK(file.steps(lines_of({9, 2, 3})) == Steps{2, 3});
  CHECK(file.steps(lines_of({1, 2, 1})) == Steps{1, 2});
  CHECK(file.steps(lines_of({1, 2, 5, 6})) == Steps{1, 2, 5, 6});  // two were lost before
  CHECK(file.steps(lines_of({3})) == Steps{3});
  CHECK(file.steps("x\n" + lines_of({2}) + "x\n" + lines_of({4})) == Steps{2, 4});
  CHECK(file.steps("").empty());
}

TEST_CASE("metrics: a last line whose end alone was lost is whole") {
  const File file;
  const std::string text = lines_of({1, 2, 3});
  CHECK(file.steps(text.substr(0, text.size() - 1)) == Steps{1, 2, 3});
  CHECK(file.steps(text.substr(0, text.size() - 2)) == Steps{1, 2});
}

TEST_CASE("metrics: the chart says which attention each loss is under, and draws both apart") {
  const Chart chart = loss_chart(evaluated_lines(), "run", "s2(chunk=16)", "full attention");
  CHECK(chart.title == "run");
  REQUIRE(chart.series.size() == 2);
  CHECK(chart.series[0].name == "training under s2(chunk=16)");
  CHECK(chart.series[0].y == std::vector<double>{1, 0.5, 1.0 / 3, 0.25});
  CHECK(chart.series[0].look == look_of("s2"));
  CHECK(chart.series[1].name == "evaluation under full attention");
  CHECK(chart.series[1].x == std::vector<double>{2, 4});
  CHECK(chart.series[1].y == std::vector<double>{2.5, 2});
  const Chart full = loss_chart(evaluated_lines(), "run", "full", "full attention");
  CHECK(full.series[0].look != full.series[1].look);
  CHECK(full.series[1].look == chart.series[1].look);
  CHECK(loss_chart({metric(1)}, "run", "full", "full attention").series.size() == 1);
}

TEST_CASE("metrics: what is written is read back to the bit, and as CSV") {
  const File file;
  StepMetrics first = metric(1), second = metric(2);
  first.loss = 0.1 + 0.2, first.lr = 1e-300, first.peak_bytes = int64_t{1} << 60;
  second.eval_loss = 2.0 / 3;
  {
    Metrics metrics(file.path, 0);
    metrics.append(first);
    metrics.append(second);
  }
  CHECK(read_metrics(file.path) == std::vector{first, second});
  CHECK(nlohmann::json::parse(to_json(second).dump()).get<StepMetrics>() == second);
  CHECK(to_json(second) == nlohmann::json{{"step", 2},
                                          {"loss", 0.5},
                                          {"lr", 0.1},
                                          {"grad_norm", 2.0},
                                          {"tokens_per_s", 9.0},
                                          {"peak_bytes", 100},
                                          {"eval_loss", 2.0 / 3}});
  second.eval_loss = 3;
  CHECK(metrics_csv({metric(1), second}) ==
        "step,eval_loss,grad_norm,loss,lr,peak_bytes,tokens_per_s\n"
        "1,,2.0,1.0,0.1,100,9.0\n2,3.0,2.0,0.5,0.1,100,9.0\n");
  CHECK(metrics_csv({metric(2)}) ==
        "step,grad_norm,loss,lr,peak_bytes,tokens_per_s\n2,2.0,0.5,0.1,100,9.0\n");
  CHECK(metrics_csv({}) == "step\n");
}

TEST_CASE("metrics: a line without one of its numbers, or with something else in its place, is damaged") {
  const File file;
  const nlohmann::json whole = to_json(metric(2));
  for (const auto& [key, value] : whole.items()) {
    CAPTURE(key);
    nlohmann::json line = whole;
    for (const nlohmann::json& other : {nlohmann::json("1"), nlohmann::json(nullptr)}) {
      line[key] = other;
      CHECK(file.steps(lines_of({1}) + line.dump() + "\n" + lines_of({3})) == Steps{1, 3});
    }
    line.erase(key);
    CHECK(file.steps(lines_of({1}) + line.dump() + "\n" + lines_of({3})) == Steps{1, 3});
  }
  for (const char* key : {"step", "peak_bytes"}) {
    for (const double other : {2.5, 0.0, -2.0, 1e300}) {  // counts are whole numbers
      nlohmann::json line = whole;
      line[key] = other;
      CHECK(file.steps(lines_of({1}) + line.dump() + "\n" + lines_of({3})) == Steps{1, 3});
    }
  }
  nlohmann::json line = whole;
  line["eval_loss"] = "1";
  CHECK(file.steps(lines_of({1}) + line.dump() + "\n" + lines_of({3})) == Steps{1, 3});
  line["eval_loss"] = std::nan("");  // an evaluation that overflowed: the step's own numbers are whole
  CHECK(file.steps(lines_of({1}) + line.dump() + "\n" + lines_of({3})) == Steps{1, 2, 3});
  CHECK(!read_metrics(file.path)[1].eval_loss);
}
