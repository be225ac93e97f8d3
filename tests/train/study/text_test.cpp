// What a study says of its figures.
#include "train/study/text.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/temporary_folder.h"
#include "tests/train/study/small_study.h"
#include "train/evaluation/losses.h"
#include "train/study/page.h"
#include "train/study/results.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

TEST_CASE("study: spreads and differences as they are written") {
  CHECK(text_of(spread({78.04}), 1) == "78.0");
  CHECK(text_of(spread({78.1, 77.7, 78.2}), 1) == "78.0 (77.7 to 78.2)");
  CHECK(text_of(RowDifference{spread({-0.012}), {.standard_error = 0.001}}) == "−0.012 ± 0.001");
  CHECK(text_of(RowDifference{spread({0.005, 0.009}), {.standard_error = 0.001}}) ==
        "+0.007 ± 0.001 (+0.005 to +0.009)");
  CHECK(percent_text(spread({0.6, 1.0})) == "80 % (60 to 100)");
  CHECK(percent_text(spread({1.0, 1.0})) == "100 %");
}

TEST_CASE("study: the standard error of a difference is over windows and seeds, its spread over seeds") {
  const TemporaryFolder folder;
  /// Two windows of two predictions, each of the window's own loss.
  const auto result = [&](const std::string& name, float first, float second) {
    const fs::path file = folder / (name + ".safetensors");
    write_losses(file, {3, Tensor::of(std::vector<float>{first, first, second, second}, {2, 2}), "the same"});
    return StudyResult{.losses = file};
  };
  // Windows differ by 0.5 and 1 for the first seed, by -0.25 twice for the second: a standard error of 0.5
  // (tests/train/evaluation/comparison_test.cpp has this table).
  const StudyRowResult reference{.seeds = {result("r1", 1, 2), result("r2", 3, 4)}};
  const StudyRowResult row{.seeds = {result("a1", 1.5, 3), result("a2", 2.75, 3.75)}};
  const RowDifference d = difference(row, reference);
  CHECK(d.over_seeds.mean == 0.25);
  CHECK(d.over_seeds.low == -0.25);
  CHECK(d.over_seeds.high == 0.75);
  CHECK(d.over_seeds.count == 2);
  CHECK(d.paired.standard_error == doctest::Approx(0.5));
  CHECK(text_of(d) == "+0.250 ± 0.500 (−0.250 to +0.750)");
  // 2 and 0 beside the first seed, 0 and -2 beside the second: windows and seeds each have a variance of the
  // mean of 1, and nothing is left between them.
  const RowDifference untrained = difference({.seeds = {result("u", 3, 2)}}, reference);
  CHECK(untrained.over_seeds.mean == 0);
  CHECK(untrained.paired.mean == 0);
  CHECK(untrained.paired.standard_error == doctest::Approx(std::sqrt(2)));
  CHECK(text_of(untrained) == "+0.000 ± 1.414 (−1.000 to +1.000)");
}

TEST_CASE("study: a pattern is found by its own name, else with parameters, and never among named layers") {
  std::vector<StudyRow> rows;
  for (const char* name :
       {"full(sinks=1)@0;local", "local(chunk=8)", "local(chunk=4)", "local", "s2(chunk=8)"})
    rows.push_back({.name = name, .attention = name, .trained = true});
  std::vector<StudyRowResult> results;
  for (const StudyRow& row : rows) results.push_back({.row = &row});
  CHECK(find_pattern(results, "local") == &results[3]);
  CHECK(find_pattern(results, "s2") == &results[4]);
  CHECK(find_pattern(results, "full") == nullptr);
  CHECK(&reference_row(results) == &results[0]);
  results.pop_back();
  results.pop_back();
  CHECK(find_pattern(results, "local") == &results[1]);
}

TEST_CASE("study: each two neighbours are settled or open") {
  const TemporaryFolder folder;
  const std::vector<std::string> names{"full", "local", "s2"};
  std::vector<StudyRow> rows;
  for (const std::string& name : names) rows.push_back({.name = name, .attention = name, .trained = true});
  std::vector<StudyRowResult> results;
  for (const StudyRow& row : rows) {
    // Eight documents of two tokens: local is 1 above s2 in each, full above and below local by turns.
    std::vector<float> nll;
    std::vector<int32_t> document;
    for (int i = 0; i < 8; ++i) {
      const float local = 3 + 0.125f * static_cast<float>(i % 3);
      nll.insert(nll.end(), 2,
                 row.name == "s2"      ? 2
                 : row.name == "local" ? local
                                       : local + (i % 2 ? 0.5f : -0.4f));
      document.insert(document.end(), 2, i);
    }
    const fs::path file = folder / (row.name + ".safetensors");
    write_losses(file, {3, Tensor::of(nll, {8, 2}), "the same", document});
    results.push_back({.row = &row, .seeds = {{.losses = file}}});
  }
  const RowRanking ranked = rank_rows(results);
  const Table table = order_table(ranked);
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0][0] == "s2");
  CHECK(table.rows[0][1] == "local");
  CHECK(table.rows[0][2] == "+1.1094 ± 0.0369");
  CHECK(table.rows[0][3] == "< 0.0001");
  CHECK(table.rows[0][4] == "100.0 %");
  CHECK(table.rows[0][5] == "yes");
  CHECK(table.rows[1][0] == "local");
  CHECK(table.rows[1][1] == "full");
  CHECK(table.rows[1][5] == "no");
  CHECK(order_reading(ranked).text ==
        "**Settled:** `s2` before `local`. **Open:** `local` before `full`. Standard errors are over 8 "
        "documents. There is one seed: what another one would change is not in them.");
}

TEST_CASE("study: the reading orders the patterns by their mean over seeds, the lowest first") {
  StudySettings s = settings({"full", "local", "s2"});
  s.lengths = {129};
  s.seeds = 2;
  const Study study = plan_study(s);
  std::vector<StudyRowResult> results;
  for (const StudyRow& row : study.rows) {
    const auto seeds = row.name == "full"    ? std::vector<double>{80, 82}
                       : row.name == "local" ? std::vector<double>{70, 86}  // the best seed and the worst
                       : row.name == "s2"    ? std::vector<double>{75, 77}
                                             : std::vector<double>{99};
    StudyRowResult& result = results.emplace_back(StudyRowResult{.row = &row});
    for (const double perplexity : seeds) result.seeds.push_back({.perplexity = {{129, perplexity}}});
  }
  const std::vector<Paragraph> reading = study_reading(study, results);
  REQUIRE(!reading.empty());
  CHECK(reading[0].text == "**In order** at 129: `s2` 76.0, `local` 78.0, `full` 81.0.");
  // ln(78 / 76) = 0.026, ln(81 / 76) = 0.064; the seeds of local: ln(86 / 70) = 0.206
  CHECK(
      reading.back().text ==
      "From the first to the second it is 0.026 nats, from the first to the last 0.064. Seeds of one pattern "
      "lie up to 0.206 nats apart, so that the first place is within what a seed does and the whole range is "
      "within it.");
}

TEST_CASE("study: the page says why an untrained window wins, or that it does not") {
  Study study = plan_study(settings({"full", "local"}));
  study.base_context = 64;
  std::vector<StudyRowResult> results;
  for (const StudyRow& row : study.rows) results.push_back({.row = &row, .seeds = {StudyResult{}}});
  const auto reading = [&](double window, double full) {
    for (StudyRowResult& row : results)
      row.seeds[0].perplexity[129] = row.row->name == "base-window" ? window
                                     : row.row->name == "full"      ? full
                                                                    : 99;
    std::string text;
    for (const Paragraph& paragraph : study_reading(study, results)) text += paragraph.text + "\n";
    return text;
  };
  CHECK(contains(reading(57, 78),
                 "**Why the untrained window wins here, and when extending pays.** `base-window` "
                 "(57.0 beside 78.0 of `full`)"));
  CHECK(contains(reading(57, 78), "without training it stands at 99.0, and 40 steps win back a part"));
  CHECK(contains(reading(79, 78),
                 "**The extension pays here.** The untrained `base-window` (79.0 beside 78.0"));
  CHECK(!contains(reading(79, 78), "wins here"));
  CHECK(contains(reading(57, 101), "and 40 steps win nothing back."));
  study.base_context = 129;  // no text was longer
  CHECK(!contains(reading(79, 78), "The extension pays here"));
}
