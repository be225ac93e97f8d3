// A study from one command: what it runs, what it leaves, and that going on with it changes nothing that is
// there.
#include "train/study/study.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "nn/patterns/spec.h"
#include "tests/run_scca.h"
#include "train/study/page.h"
#include "train/study/results.h"
#include "train/study/text.h"

using namespace scca;
using namespace scca::test;

namespace {

namespace fs = std::filesystem;

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A model, a text to train on and the same to judge on, and what the runs of a small study share.
struct Workplace {
  Workplace() {
    std::string text;
    for (int i = 0; i < 120; ++i)
      text += concat("Tim had ", i, " red balls. He gave ", i % 7, " to Lily and ", i % 11, " to Ben.\n");
    for (const std::string& file : {data, judged}) std::ofstream(file) << text;
    fs::copy(kModel, model);
  }
  Words training() const {
    return {"--model", model,  "--data", data,       "--context", "129",         "--batch",
            "2",       "--lr", "1e-3",   "--warmup", "1",         "--lora-rank", "2"};
  }
  RunResult study(const Words& more) const {
    Words all{"study",
              "--patterns",
              "full,scca-fixed(chunk=31,shift=7)",
              "--eval-data",
              judged,
              "--eval-tokens",
              "400",
              "--lengths",
              "33,129",
              "--passkey-trials",
              "0",
              "--recall-passages",
              "1",
              "--out",
              out};
    const Words shared = training();
    all.insert(all.end(), shared.begin(), shared.end());
    all.insert(all.end(), more.begin(), more.end());
    return run_scca(all);
  }
  /// Every file of the study but locks and pictures, with its bytes.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(out))
      if (entry.is_regular_file() && entry.path().extension() != ".png")
        found[fs::relative(entry.path(), out).string()] = read_text_file(entry.path());
    return found;
  }

  TemporaryFolder folder;
  std::string data = (folder / "tim.txt").string(), judged = (folder / "judged.txt").string(),
              model = (folder / "model").string(), out = (folder / "study").string();
};

StudySettings settings(const std::vector<std::string>& patterns) {
  StudySettings s;
  s.finetune.model.model = kModel;
  s.finetune.train.out = "nowhere";
  s.finetune.train.context = 129;
  s.finetune.train.batch = 2;
  s.finetune.train.steps = 40;
  s.patterns = patterns;
  return s;
}

}  // namespace

TEST_CASE("study: patterns are separated by commas that belong to none of them") {
  CHECK(split_patterns("full,local") == Words{"full", "local"});
  CHECK(split_patterns("a(x=1,y=2),mix(b*2,c(z=3)),d") == Words{"a(x=1,y=2)", "mix(b*2,c(z=3))", "d"});
  CHECK(split_patterns("full@0,1;scca-flow,sda") == Words{"full@0,1;scca-flow", "sda"});
  CHECK(split_patterns("").empty());
  for (const char* list : {",", "full,,local", "full,", ",full"})
    CHECK(contains(error_of([&] { split_patterns(list); }),
                   concat("--patterns: found '", list, "', with an empty item beside a comma")));
}

TEST_CASE("study: attention FLOPs count what is seen, and the marks are where all have spent the same") {
  const Study study = plan_study(settings({"full", "scca-flow(chunk=31)", "full@0;sda(dilation=3)"}));
  double least = INFINITY;
  for (const StudyRow& row : study.rows) {
    if (!row.trained) continue;
    const AttentionSpec spec = parse_attention_spec(row.attention);
    double pairs = 0;
    for (int64_t layer = 0; layer < study.layers; ++layer) {
      const PlanPtr plan = spec.plan(129, study.heads, layer);
      for (int64_t head = 0; head < study.heads; ++head)
        for (int64_t query = 0; query < 129; ++query)
          for (int64_t key = 0; key < 129; ++key) pairs += sees(*plan, head, query, key);
    }
    CHECK(row.attention_flops == 14.0 * static_cast<double>(study.head_dim) * 2 * pairs);
    least = std::min(least, row.attention_flops);
  }
  for (const StudyRow& row : study.rows) {
    if (!row.trained) continue;
    CAPTURE(row.name);
    CHECK(row.attention_flops * static_cast<double>(row.mark) >= 40 * least * (1 - 1e-9));
    CHECK(row.attention_flops * static_cast<double>(row.mark - 1) < 40 * least);
    CHECK(row.mark <= 40);
  }
}

TEST_CASE("study: settings without a meaning") {
  const auto message = [](const StudySettings& s) { return error_of([&] { plan_study(s); }); };
  CHECK(contains(message(settings({})), "--patterns: names none"));
  CHECK(contains(message(settings({"full", "full"})), "names a pattern twice"));
  CHECK(contains(message(settings({"sda(dilation=3)", "sda=dilation=3"})), "sda"));
  CHECK(contains(message(settings({"no-such"})), "unknown pattern 'no-such'"));
  CHECK(contains(message(settings({"full@9;local"})), "names layer 9, but the model has 5"));
  StudySettings s = settings({"full"});
  s.seeds = 0;
  CHECK(contains(message(s), "--seeds 0: expected 1 or more"));
  s = settings({"full"});
  s.finetune.lora.dropout = 1e20;
  CHECK(contains(message(s), "--lora-dropout 1e+20: expected a probability"));
  s = settings({"full"});
  s.finetune.train.schedule = "cosine";
  CHECK(contains(message(s), "--schedule cosine"));
}

TEST_CASE("study: spreads and differences as they are written") {
  CHECK(text_of(spread({78.04}), 1) == "78.0");
  CHECK(text_of(spread({78.1, 77.7, 78.2}), 1) == "78.0 (77.7 to 78.2)");
  CHECK(text_of(RowDifference{spread({-0.012}), 0.001}) == "−0.012 ± 0.001");
  CHECK(text_of(RowDifference{spread({0.005, 0.009}), 0.001}) == "+0.007 ± 0.001 (+0.005 to +0.009)");
  CHECK(percent_text(spread({0.6, 1.0})) == "80 % (60 to 100)");
  CHECK(percent_text(spread({1.0, 1.0})) == "100 %");
}

TEST_CASE("study: the page says why an untrained window wins, or that it does not") {
  Study study = plan_study(settings({"full", "local"}));
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
}

TEST_CASE("study: one command, gone on with, and the same bits as its parts") {
  Workplace place;
  const RunResult first = place.study({"--steps", "4", "--seeds", "1"});
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  CHECK(contains(first.out, "| base-window |"));
  CHECK(contains(first.out, "| scca-fixed(chunk=31,shift=7) |"));
  const auto files = place.files();
  const std::string page = files.at("study.md"), html = files.at("study.html");
  for (const char* part :
       {"## Perplexity", "## At the same attention FLOPs", "## Cost and coverage", "## The patterns"})
    CHECK(contains(page, part));
  CHECK(!contains(page, "## Passkey"));
  CHECK(!contains(page, "## Beside the paper"));  // which needs two of its patterns
  CHECK(!contains(html, "pictures/"));
  CHECK(contains(html, "data:image/png;base64,iVBOR"));

  SUBCASE("a finished study is read, not made again; a missing result alone is made, to the bit") {
    const std::string lost = "scca-fixed-chunk=31-shift=7/seed-1/eval_33.json";
    REQUIRE(files.contains(lost));
    fs::remove(place.out + "/" + lost);
    CHECK(contains(place.study({"--steps", "4", "--seeds", "1"}).err,
                   "is there already; go on with it with --resume"));
    REQUIRE(place.study({"--steps", "4", "--seeds", "1", "--resume"}).code == 0);
    CHECK(place.files() == files);
  }
  SUBCASE("seeds may grow, other settings may not change") {
    const RunResult other = place.study({"--steps", "5", "--seeds", "1", "--resume"});
    CHECK(other.code == 2);
    CHECK(contains(other.err, "--steps is 5 but " + place.out + " began with 4; only --seeds may grow"));
    REQUIRE(place.study({"--steps", "4", "--seeds", "2", "--resume"}).code == 0);
    CHECK(place.files().at("full/seed-1/eval_129.json") == files.at("full/seed-1/eval_129.json"));
    CHECK(place.files().contains("full/seed-2/own.json"));
    CHECK(contains(place.files().at("study.md"), "within what a seed does") !=
          contains(place.files().at("study.md"), "beyond what a seed does"));
  }
  SUBCASE("other contents under the same names are refused, the same contents under others are not") {
    const Words two{"--steps", "4", "--seeds", "2", "--resume"};
    const auto refused = [&](const std::string& expected) {
      const RunResult result = place.study(two);
      CAPTURE(result.err);
      CHECK(result.code == 2);
      CHECK(result.one_error_line());
      CHECK(contains(result.err, expected));
      CHECK(place.files() == files);
    };
    const fs::path weights = place.model + "/model.safetensors", config = place.model + "/config.json";
    const std::string judged = read_text_file(place.judged), data = read_text_file(place.data);
    std::ofstream(place.judged) << "Tom" + judged.substr(3);
    refused("--eval-data: what it names differs");
    std::ofstream(place.judged) << judged;
    std::ofstream(place.data) << data.substr(0, data.size() - 2) << "!\n";
    refused("--data: what it names differs");
    std::ofstream(place.data) << data;
    const std::string bytes = read_text_file(weights), settings = read_text_file(config);
    std::string zeroed = bytes;
    std::fill_n(zeroed.end() - 1000, 1000, '\0');
    std::ofstream(weights, std::ios::binary) << zeroed;
    refused("--model: what it names differs");
    std::ofstream(weights, std::ios::binary) << bytes;
    nlohmann::json other = nlohmann::json::parse(settings);
    other["rms_norm_eps"] = 0.5;
    std::ofstream(config) << other.dump();
    refused("the model's config.json: rms_norm_eps is 0.5 but");
    std::ofstream(config) << settings;
    fs::rename(place.model, place.folder / "moved");
    place.model = (place.folder / "moved").string();
    CHECK(place.study(two).code == 0);
  }
  SUBCASE("a damaged result is named, with what to do, which then gives the same bits") {
    const Words resume{"--steps", "4", "--seeds", "1", "--resume"};
    for (const std::string name :
         {"base/eval_33.json", "base-window/losses_129.safetensors", "full/seed-1/mark.json"}) {
      const fs::path file = place.out + "/" + name;
      std::string text = read_text_file(file);
      const size_t digit = text.find_first_of("23456789", text.size() / 2);  // in a figure, or in a loss
      text[digit] = static_cast<char>(text[digit] ^ 1);
      std::ofstream(file, std::ios::binary) << text;
      const RunResult result = place.study(resume);
      CAPTURE(name);
      CAPTURE(result.err);
      CHECK(result.code == 1);
      CHECK(contains(result.err, "\nscca study: " + file.string()));
      const bool is_mark = file.filename() == "mark.json";  // which a run does not go back to
      const fs::path again = is_mark ? file.parent_path() : file;
      CHECK(contains(result.err, "remove " + again.string() + ", and the same command with --resume"));
      fs::remove_all(again);
    }
    REQUIRE(place.study(resume).code == 0);
    for (const auto& [path, bytes] : place.files())
      if (!path.starts_with("study.") && !contains(path, "/metrics.") && !contains(path, "/checkpoints/"))
        CHECK((files.at(path) == bytes));
  }
  SUBCASE("a run judged on its way is the run that was not stopped") {
    Words words = place.training();
    for (const char* word : {"--steps", "4", "--attention", "full", "--seed", "1", "--out"})
      words.push_back(word);
    words.push_back((place.folder / "alone").string());
    words.insert(words.begin(), "finetune");
    REQUIRE(run_scca(words).code == 0);
    CHECK(read_text_file(place.folder / "alone/adapter/adapter_model.safetensors") ==
          files.at("full/seed-1/adapter/adapter_model.safetensors"));
    CHECK(nlohmann::json::parse(files.at("full/seed-1/mark.json")).at("step").get<int>() < 4);
  }
}

TEST_CASE("study: too little to judge on is told before anything is trained") {
  const Workplace place;
  const RunResult result = place.study({"--steps", "1", "--lengths", "33,3000"});
  CHECK(result.code == 1);
  CHECK(contains(result.err, "--eval-data: 400 tokens are judged on, expected at least 6064"));
  CHECK(!fs::exists(place.out + "/base/eval_33.json"));
}
