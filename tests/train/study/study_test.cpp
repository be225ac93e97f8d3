// A study from one command: what it runs, what it leaves, and that going on with it changes nothing that is
// there.
#include "train/study/study.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>

#include "nn/patterns/spec.h"
#include "tests/run_scca.h"
#include "tests/train/study/small_study.h"
#include "train/evaluation/evaluate.h"
#include "train/evaluation/losses.h"
#include "train/report/csv.h"
#include "train/run/metrics.h"
#include "train/study/cells.h"
#include "train/study/contents.h"
#include "train/study/page.h"
#include "train/study/results.h"
#include "train/study/text.h"

using namespace scca;
using namespace scca::test;

namespace {

namespace fs = std::filesystem;

using Words = std::vector<std::string>;

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
            batch,     "--lr", "1e-3",   "--warmup", "1",         "--lora-rank", "2"};
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
  std::string data = (folder / "tim.txt").string(), judged = (folder / "judged.txt").string(), batch = "2",
              model = (folder / "model").string(), out = (folder / "study").string();
};

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

TEST_CASE("study: rows are judged under the base's own attention") {
  StudySettings s = settings({"full"});
  const Study full = plan_study(s);
  CHECK(full.judged == "full");
  CHECK(full.judged_name == "full attention");
  const TemporaryFolder folder;
  nlohmann::json config = nlohmann::json::parse(read_text_file(kModel + "/config.json"));
  config.update(
      {{"model_type", "mistral"}, {"architectures", {"MistralForCausalLM"}}, {"sliding_window", 9}});
  write_file(folder / "config.json", config.dump());
  s.finetune.model.model = folder.path().string();
  const Study windowed = plan_study(s);
  CHECK(windowed.judged_name == "window(chunk=9)");
  for (const StudyRow& row : windowed.rows) {
    CAPTURE(row.name);
    CHECK(row.attention == (row.name == "base-window" ? "window(chunk=512)"
                            : row.trained             ? "full"
                                                      : "window(chunk=9)"));
  }
}

TEST_CASE("study: what stretches the positions is on record, though nobody said it") {
  StudySettings s = settings({"full"});
  CHECK(plan_study(s).settings.finetune.model.rope == "yarn");
  s.finetune.model.rope = "ntk";
  CHECK(plan_study(s).settings.finetune.model.rope == "ntk");
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
  CHECK(contains(message(s), "dropout 1e+20: expected a probability"));
  s = settings({"full"});
  s.finetune.train.schedule = "cosine";
  CHECK(contains(message(s), "--schedule cosine"));
}

TEST_CASE("study: what its work writes is what its page reads, row by row and seed by seed") {
  const TemporaryFolder folder;
  StudySettings s = settings({"s2(chunk=64)", "full"});
  s.finetune.train.out = (folder / "study").string();
  s.finetune.train.seed = 9;  // folders sort 10 before 9
  s.seeds = 2;
  s.lengths = {33, 129};
  s.passkey_trials = s.recall_passages = 1;
  const Study study = plan_study(s);
  std::map<fs::path, double> marks;  // by folder: what all of its figures are made of
  const auto evaluation = [](double perplexity) {
    return to_json(Evaluation{
        .nll = std::log(perplexity), .perplexity = perplexity, .tokens = 2, .by_position = {}, .losses = {}});
  };
  for (const StudyRow& row : study.rows) {
    for (const fs::path& place : study.folders(row)) {
      const double mark = 10 * static_cast<double>(marks.size() + 1);
      marks[place] = mark;
      fs::create_directories(place);
      write_result(place / "eval_33.json", evaluation(mark + 1));
      write_result(place / "eval_129.json", evaluation(mark + 2));
      write_losses(place / "losses_129.safetensors",
                   {129, Tensor::full({1, 128}, mark, DType::f32), "the same"});
      RetrievalOptions asked = passkey_options();
      asked.lengths = {33}, asked.depths = {50};
      write_result(
          place / "passkey.json",
          to_json(Retrieval{{{"passkey", 33, 50, 200, static_cast<int64_t>(mark), mark / 200}}}, asked));
      write_result(place / "recall.json",
                   to_json(Recall{{1, {}}, {{64, {1, {}}, {2, {}}, {mark, 0.5}}}}, {}));
      if (!row.trained) continue;
      write_result(place / "own.json", evaluation(mark + 3));
      nlohmann::json at_mark = evaluation(mark + 4);
      at_mark["step"] = row.mark;
      write_result(place / "mark.json", at_mark);
      Metrics metrics(place / "metrics.jsonl", 0);
      for (int64_t step = 1; step <= 3; ++step)
        metrics.append({.step = step,
                        .loss = mark / static_cast<double>(step),
                        .tokens_per_s = mark * static_cast<double>(4 - step),
                        .peak_bytes = 100 * step});
    }
  }
  const std::vector<StudyRowResult> results = read_study(study);
  Words names;
  for (const StudyRowResult& row : results) {
    names.push_back(row.row->name);
    const bool trained = row.row->trained;
    REQUIRE(row.seeds.size() == (trained ? 2 : 1));
    for (size_t k = 0; k < row.seeds.size(); ++k) {
      const StudyResult& seed = row.seeds[k];
      const fs::path place = trained ? row.row->folder / concat("seed-", 9 + k) : row.row->folder;
      CAPTURE(place.string());
      const double mark = marks.at(place);
      CHECK(seed.perplexity == std::map<int64_t, double>{{33, mark + 1}, {129, mark + 2}});
      CHECK(read_losses(seed.losses).mean(0, 128) == doctest::Approx(mark));
      CHECK(passkey_share(seed, 33) == mark / 200);
      CHECK(error_of([&] { passkey_share(seed, 129); }) == "study: no passkey of 129 tokens was asked for");
      CHECK(seed.recall.by_distance.at(0).gain.mean == mark);
      CHECK(seed.recall.by_distance.at(0).gain.standard_error == 0.5);
      CHECK(seed.training.has_value() == trained);
      if (!trained) continue;
      CHECK(seed.own == mark + 3);
      CHECK(seed.at_mark == mark + 4);
      CHECK(seed.training->step == std::vector<double>{1, 2, 3});
      CHECK(seed.training->loss == std::vector<double>{mark, mark / 2, mark / 3});
      CHECK(seed.training->tokens_per_s == 2 * mark);
      CHECK(seed.training->peak_bytes == 300);
    }
  }
  const Words order{"base", "base-window", "rope-untrained", "s2(chunk=64)", "full"};
  CHECK(names == order);
  const Table quality = quality_table(study, results);
  CHECK(quality.header == Words{"row", "33", "129", "own pattern", "nats − full"});
  REQUIRE(quality.rows.size() == order.size());
  for (size_t i = 0; i < order.size(); ++i) CHECK(quality.rows[i][0] == order[i]);
  CHECK(quality.rows[3] == Words{"s2(chunk=64)", "46.0 (41.0 to 51.0)", "47.0 (42.0 to 52.0)",
                                 "48.0 (43.0 to 53.0)", "−20.000 ± 0.000 (−20.000 to −20.000)"});
  CHECK(quality.rows[4][4] == "-");
  const std::string csv = study_csv(study, results);
  CHECK(csv.starts_with("row,trained,seed,quantity,length,depth,value\nbase,0,,perplexity,33,,11\n"));
  const auto at = [&](const std::string& name, int seed) {  // the mark of a row and seed
    return marks.at(study.out() / name / concat("seed-", seed));
  };
  const double first = at("s2-chunk=64", 9), second = at("full", 10);
  for (const std::string& line :
       {concat("s2(chunk=64),1,9,perplexity,129,,", first + 2),
        concat("full,1,10,own_perplexity,129,,", second + 3),
        concat("full,1,10,perplexity_at_mark,129,,", second + 4),
        concat("full,1,10,passkey,33,50,", csv_number(second / 200)),
        concat("full,1,10,recall_gain,64,,", second), concat("full,1,10,tokens_per_s,,,", 2 * second),
        std::string("full,1,10,peak_bytes,,,300"), std::string("full,1,,visible_share,129,,1")})
    CHECK_MESSAGE(contains(csv, "\n" + line + "\n"), line);
  CHECK(!contains(csv, "base,0,,own_perplexity"));
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
  for (const char* part : {"## Perplexity", "## Is the order settled?", "Standard errors are over 3 windows",
                           "## At the same attention FLOPs", "## Cost and coverage", "## The patterns"})
    CHECK(contains(page, part));
  CHECK(!contains(page, "## Passkey"));
  CHECK(!contains(page, "## Beside the paper"));  // which needs two of its patterns
  CHECK(!contains(html, "pictures/"));
  CHECK(files.at("study.csv")
            .starts_with("row,trained,seed,quantity,length,depth,value\nbase,0,,perplexity,33,,"));
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

TEST_CASE("study: trainings that do not fit in memory, or have no meaning, leave nothing") {
  Workplace place;
  place.batch = "10000000";
  const RunResult large = place.study({"--steps", "1"});
  CHECK(large.code == 1);
  CHECK(contains(large.err, "out of memory: training needs "));
  place.batch = "2";
  const RunResult rate = place.study({"--steps", "1", "--lr-final", "7"});
  CHECK(rate.code == 2);
  CHECK(contains(rate.err, "--lr-final"));
  for (const RunResult* result : {&large, &rate}) CHECK(result->one_error_line());
  CHECK(!fs::exists(place.out));
}

TEST_CASE("study: too little to judge on is told before anything is trained") {
  const Workplace place;
  const RunResult result = place.study({"--steps", "1", "--lengths", "3000"});
  CHECK(result.code == 1);
  CHECK(contains(result.err, "--eval-data: 400 tokens are judged on, expected at least 6064"));
  CHECK(!fs::exists(place.out));
}
