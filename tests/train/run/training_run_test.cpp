// What a training leaves and says at its end.
#include "train/run/training_run.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/train/workplace.h"
#include "train/run/metrics.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

TEST_CASE("training_run: a word as a shell takes it") {
  CHECK(shell_word("runs/mine-1/adapter") == "runs/mine-1/adapter");
  CHECK(shell_word("my runs/it's") == "'my runs/it'\\''s'");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("a$b") == "'a$b'");
}

TEST_CASE(
    "training_run: the end names the adapter, the loss before and after, the best, and what to do next") {
  const Workplace place;
  const std::string out = (place.folder / "run").string();
  const RunResult run = run_scca(place.finetune("run", 7, {"--eval-data", place.data, "--eval-every", "2"}));
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  CHECK(contains(run.err, "adapter: " + out + "/adapter\n"));
  CHECK(contains(run.err, "loss under full attention on the first 64 tokens of --eval-data: "));
  CHECK(contains(run.err, "next: scca eval --model " + kModel + " --adapter " + out + "/adapter"));
  const auto lines = read_metrics(out + "/metrics.jsonl");
  std::pair<double, int64_t> best{HUGE_VAL, 0};
  for (const StepMetrics& line : lines)
    if (line.eval_loss) best = std::min(best, {*line.eval_loss, line.step});
  CHECK(contains(run.err, concat(" after step ", best.second, ", kept in ", out, "/best\n")));
  CHECK(read_text_file(out + "/metrics.csv") == metrics_csv(lines));

  const std::string card = read_text_file(out + "/adapter/README.md");
  CHECK(contains(card, "| training | 7 of 7 steps of 4 rows, 1792 tokens;"));
  CHECK(contains(card, "config=AutoConfig.from_pretrained(\"" + out + "/adapter\")"));
  CHECK(contains(card, "| base, full attention, the first 64 tokens of --eval-data | "));
  CHECK(contains(card, "| adapter, the same | "));

  SUBCASE("the loss after is what scca eval says of the adapter") {
    const RunResult eval = run_scca({"eval", "--model", kModel, "--adapter", out + "/adapter", "--data",
                                     place.data, "--context", "64", "--max-tokens", "64", "--json"});
    const std::string after = card.substr(card.find("| adapter, the same | ") + 22, 5);
    CHECK(std::abs(std::stod(after) - eval.json()["nll"].get<double>()) < 1e-3);
  }
  SUBCASE("neither the end nor the evaluations change what is learned") {
    REQUIRE(run_scca(place.finetune("plain", 7)).code == 0);
    CHECK(place.adapter("plain") == place.adapter("run"));
  }
  SUBCASE("the best is the adapter of its step, after a stop too") {
    REQUIRE(run_scca(place.finetune("short", static_cast<int>(best.second))).code == 0);
    CHECK(read_text_file(out + "/best/adapter_model.safetensors") == place.adapter("short"));
    fs::remove_all(out + "/best");
    for (const auto& entry : fs::directory_iterator(out + "/checkpoints"))
      if (entry.path().filename() != "step-00000003.safetensors") fs::remove(entry.path());
    REQUIRE(run_scca(place.finetune("run", 7, {"--eval-data", place.data, "--eval-every", "2", "--resume"}))
                .code == 0);
    CHECK(read_text_file(out + "/best/adapter_model.safetensors") == place.adapter("short"));
  }
}

TEST_CASE("training_run: evaluations on the way are under full attention, whatever trains") {
  const Workplace place;
  const std::string pattern = "local(chunk=8)", out = (place.folder / "run").string();
  REQUIRE(run_scca(place.finetune("run", 2,
                                  {"--attention", pattern, "--eval-data", place.data, "--eval-every", "2",
                                   "--eval-tokens", "640"}))
              .code == 0);
  const auto nll = [&](const std::string& attention) {
    return run_scca({"eval", "--model", kModel, "--adapter", out + "/adapter", "--data", place.data,
                     "--context", "64", "--max-tokens", "640", "--attention", attention, "--json"})
        .json()["nll"]
        .get<double>();
  };
  const double evaluated = read_metrics(out + "/metrics.jsonl").at(1).eval_loss.value();
  CHECK(std::abs(evaluated - nll("full")) < 1e-4);
  CHECK(std::abs(evaluated - nll(pattern)) > 0.05);
}

TEST_CASE("training_run: a run of a few rows is not judged, and pretraining names its model") {
  const Workplace place;
  const RunResult few = run_scca(place.finetune("few", 2));
  REQUIRE(few.code == 0);
  CHECK(!contains(few.err, "loss under full attention"));
  CHECK(!contains(read_text_file(place.folder / "few/adapter/README.md"), "full attention, the first"));
  const std::string out = (place.folder / "a model").string();
  const RunResult made =
      run_scca({"pretrain", "--config", kModel + "/config.json", "--tokenizer", kModel + "/tokenizer.model",
                "--data", place.data, "--out", out, "--context", "33", "--steps", "1"});
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  CHECK(contains(made.err, "model: '" + out + "/model'\n"));
  CHECK(contains(made.err, "next: scca generate --model '" + out + "/model'"));
}

TEST_CASE("training_run: pretraining with a tokenizer.json keeps it and what stands beside it") {
  const Workplace place;
  const std::string golden = SCCA_SOURCE_DIR "/tests/golden/tokenizers/gpt2/",
                    out = (place.folder / "run").string();
  const auto pretrain = [&](const std::string& tokenizer) {
    return run_scca({"pretrain", "--config", kModel + "/config.json", "--tokenizer", tokenizer, "--data",
                     place.data, "--out", out, "--context", "33", "--steps", "1"});
  };
  const RunResult folder = pretrain(golden);
  CHECK(folder.code != 0);
  CHECK(contains(folder.err, "is a folder; expected the file tokenizer.model or tokenizer.json in it"));
  const RunResult made = pretrain(golden + "tokenizer.json");
  CAPTURE(made.err);
  REQUIRE(made.code == 0);
  for (const std::string name : {"tokenizer.json", "tokenizer_config.json"})
    CHECK(read_text_file(out + "/model/" + name) == read_text_file(golden + name));
  CHECK(!std::filesystem::exists(out + "/model/tokenizer.model"));
  const auto ids = [&](const std::string& model) {
    return run_scca({"tokenize", "--model", model, "--text", "the whale<|endoftext|>", "--json"}).json();
  };
  CHECK(ids(out + "/model") == ids(golden));
}
