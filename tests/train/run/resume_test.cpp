// Going on with a run whose files, model or settings are no longer what they were, with the real program.
#include <doctest/doctest.h>

#include <cmath>

#include "models/files/safetensors.h"
#include "tests/train/workplace.h"
#include "train/report/table.h"
#include "train/run/metrics.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

namespace {

void flip(const fs::path& file, size_t at) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  const int byte = bytes.get();
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(static_cast<char>(byte ^ 8));
}

/// A place to train, on a model that may be changed.
struct OwnModel : Workplace {
  OwnModel() { fs::copy(kModel, model); }
  Words finetune(const std::string& run, int steps, const Words& more = {}) const {
    return with(Workplace::finetune(run, steps, more), "--model", model.string());
  }
  fs::path model = folder / "model";
};

}  // namespace

TEST_CASE("resume: a damaged checkpoint is named, and the run goes on from the one before to the same bits") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("whole", 9)).code == 0);
  REQUIRE(run_scca(place.finetune("run", 7)).code == 0);
  const fs::path run = place.folder / "run", newest = run / "checkpoints/step-00000007.safetensors";
  const std::string before = read_text_file(newest);
  for (const size_t at :
       {size_t{2}, size_t{40}, before.find("lora_alpha"), before.size() / 2, before.size() - 1}) {
    fs::remove_all(place.folder / "copy");
    fs::copy(run, place.folder / "copy", fs::copy_options::recursive);
    flip(place.folder / "copy/checkpoints/step-00000007.safetensors", at);
    const RunResult result = run_scca(place.finetune("copy", 9, {"--resume"}));
    CAPTURE(at);
    CAPTURE(result.err);
    CHECK(result.code == 0);
    CHECK(contains(result.err,
                   "note: " + (place.folder / "copy/checkpoints/step-00000007.safetensors: ").string()));
    CHECK(contains(result.err, "trying the checkpoint before it"));
    CHECK(contains(result.err, "after step 6\n"));
    CHECK(place.metrics("copy") == place.metrics("whole"));
    CHECK(place.adapter("copy") == place.adapter("whole"));
  }
}

TEST_CASE("resume: a damaged line of the metrics is named, and only it is lost") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 6)).code == 0);
  auto expected = place.metrics("run");
  const fs::path file = place.folder / "run/metrics.jsonl";
  const std::string text = read_text_file(file);
  size_t third = 0;
  for (int line = 0; line < 2; ++line) third = text.find('\n', third) + 1;
  flip(file, third);
  const RunResult result = run_scca(place.finetune("run", 6, {"--resume"}));
  CHECK(result.code == 0);
  CHECK(contains(result.err, file.string() + ":3: this line is damaged"));
  expected.erase(expected.begin() + 2);
  CHECK(place.metrics("run") == expected);
}

TEST_CASE("resume: an adapter whose bytes changed is refused") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 1)).code == 0);
  const fs::path adapter = place.folder / "run/adapter", file = adapter / "adapter_model.safetensors";
  const Words logits{"logits", "--model", kModel, "--adapter", adapter.string(), "--ids", "1,2"};
  CHECK(run_scca(logits).code == 0);
  flip(file, fs::file_size(file) - 1);
  const RunResult result = run_scca(logits);
  CHECK(result.code == 1);
  CHECK(result.one_error_line());
  CHECK(contains(result.err, file.string() + ": is damaged"));
}

TEST_CASE("resume: another model in the same place is refused by what differs") {
  const OwnModel place;
  REQUIRE(run_scca(place.finetune("run", 2)).code == 0);
  const auto refused = [&](const std::string& expected) {
    const RunResult result = run_scca(place.finetune("run", 3, {"--resume"}));
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.one_error_line());
    CHECK(contains(result.err, expected));
  };
  const std::string config = read_text_file(place.model / "config.json");
  for (const auto& [key, value] :
       {std::pair<std::string, double>{"rms_norm_eps", 0.5}, {"rope_theta", 500000}}) {
    nlohmann::json changed = nlohmann::json::parse(config);
    changed[key] = value;
    write_file(place.model / "config.json", changed.dump());
    refused("the model's config.json: " + key + " is ");
  }
  nlohmann::json same = nlohmann::json::parse(config);
  same["transformers_version"] = "9.9";  // changes no number
  write_file(place.model / "config.json", same.dump(1));

  // one bit of the last element of the largest tensor, and of a norm
  const fs::path weights = place.model / "model.safetensors";
  const std::string whole = read_text_file(weights);
  const std::byte* begin = nullptr;
  std::vector<size_t> places;
  {
    const SafetensorsFile file(weights);
    begin = file.mapping()->data();
    for (const char* name :
         {"model.embed_tokens.weight", "model.layers.4.mlp.down_proj.weight", "model.norm.weight"}) {
      const StoredTensor& tensor = file.tensors().at(name);
      places.push_back(static_cast<size_t>(tensor.data - begin) + tensor.bytes - 1);
    }
  }
  for (const size_t at : places) {
    flip(weights, at);
    refused("--model: what it names differs from what ");
    flip(weights, at);
  }
  CHECK(read_text_file(weights) == whole);
  CHECK(run_scca(place.finetune("run", 3, {"--resume"})).code == 0);
}

TEST_CASE("resume: another seed is refused as the seed") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 2)).code == 0);
  const RunResult other = run_scca(with(place.finetune("run", 2, {"--resume"}), "--seed", "6"));
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--seed is 6 but "));
  const RunResult rank = run_scca(place.finetune("run", 2, {"--resume", "--lora-rank", "4"}));
  CHECK(contains(rank.err, "--lora-rank is 4 but "));
}

TEST_CASE("resume: a finished run says that it is, and its true last loss") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 3)).code == 0);
  const auto metrics = place.metrics("run");
  const std::string adapter = place.adapter("run");
  const RunResult again = run_scca(place.finetune("run", 3, {"--resume"}));
  CHECK(again.code == 0);
  const double loss = nlohmann::json::parse(metrics.back())["loss"].get<double>();
  CHECK(contains(again.err,
                 concat("done already: ", (place.folder / "run").string(), ", 3 steps, last loss ", loss)));
  CHECK(place.metrics("run") == metrics);
  CHECK(place.adapter("run") == adapter);
}

// Weight decay of more than the weight itself makes LoRA's matrices swing ever further, some steps after the
// start.
TEST_CASE(
    "resume: of a run that diverges the checkpoint from before the norm rose is kept, and its adapter") {
  const Workplace place;
  Words words = place.finetune(
      "run", 400, {"--train", "none", "--clip", "0", "--warmup", "400", "--weight-decay", "100"});
  for (const auto& [flag, value] : {std::pair{"--lr", "1"}, {"--lora-dropout", "0"}, {"--save-every", "1"}})
    words = with(words, flag, value);
  const RunResult result = run_scca(words);
  CAPTURE(result.err);
  REQUIRE(result.code == 1);
  CHECK(contains(result.err, "from before the gradient's norm rose, is kept"));
  std::vector<double> norms;
  for (const std::string& line : place.metrics("run"))
    norms.push_back(nlohmann::json::parse(line)["grad_norm"]);
  std::vector<int> kept;
  for (const auto& entry : fs::directory_iterator(place.folder / "run/checkpoints"))
    kept.push_back(std::stoi(entry.path().stem().string().substr(5)));
  std::sort(kept.begin(), kept.end());
  REQUIRE(kept.size() == 3);
  const int good = kept[0], done = static_cast<int>(norms.size());
  CHECK(kept == std::vector<int>{good, done - 1, done});
  CHECK(contains(result.err, concat("the checkpoint of step ", good, ",")));
  const auto median_before = [&](int step) {  // of the norms of the steps up to this one
    std::vector<double> before(norms.begin(), norms.begin() + step);
    std::sort(before.begin(), before.end());
    return before[before.size() / 2];
  };
  CHECK(norms[static_cast<size_t>(good)] <= 10 * median_before(good));
  for (int step = good + 1; step < done; ++step)
    CHECK(norms[static_cast<size_t>(step)] > 10 * median_before(step));
  // the adapter is that of a run which stopped there
  Words stopped =
      with(with(words, "--steps", std::to_string(good)), "--out", (place.folder / "stopped").string());
  REQUIRE(run_scca(stopped).code == 0);
  CHECK(place.adapter("run") == place.adapter("stopped"));
  // and its card says so
  for (const std::string run : {"run", "stopped"}) {
    const std::string card = read_text_file(place.folder / run / "adapter" / "README.md");
    CHECK(contains(card, concat("| training | ", good, " of ", run == "run" ? 400 : good, " steps of ")));
    const double loss = nlohmann::json::parse(place.metrics("run")[static_cast<size_t>(good - 1)])["loss"];
    CHECK(contains(card, concat("| last training loss | ", fixed(loss, 3))));
  }
}

TEST_CASE("resume: a plan file that holds another plan is refused") {
  const Workplace place;
  const std::string plan = (place.folder / "plan.json").string();
  const auto write_plan = [&](const std::string& spec) {
    write_file(plan, run_scca({"patterns", spec, "--tokens", "64", "--heads", "8", "--json"}).out);
  };
  write_plan("local");
  REQUIRE(run_scca(place.finetune("run", 2, {"--attention", "@" + plan})).code == 0);
  REQUIRE(run_scca(place.finetune("run", 3, {"--attention", "@" + plan, "--resume"})).code == 0);
  write_plan("dilated");
  const RunResult other = run_scca(place.finetune("run", 4, {"--attention", "@" + plan, "--resume"}));
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--attention: what it names differs from what "));
}

TEST_CASE("resume: losses on another text are not compared, so that the best is of what is evaluated now") {
  const Workplace place;
  const std::string easy = (place.folder / "easy.txt").string();
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the cat sat on the mat. ";
  write_file(easy, text);
  const auto on = [&](const std::string& data, const char* tokens) {
    return Words{"--eval-data", data, "--eval-every", "1", "--eval-tokens", tokens, "--resume"};
  };
  REQUIRE(run_scca(place.finetune("run", 2, on(easy, "640"))).code == 0);
  const RunResult harder = run_scca(place.finetune("run", 4, on(place.data, "640")));
  CAPTURE(harder.err);
  REQUIRE(harder.code == 0);
  CHECK(contains(harder.err, "note: 2 evaluations of this run so far not on what --eval-data and"));
  const auto lines = read_metrics(place.folder / "run" / "metrics.jsonl");
  REQUIRE(lines.size() == 4);
  CHECK(*lines[1].eval_loss < *lines[3].eval_loss);  // the old ones would have won
  const int64_t best = *lines[2].eval_loss <= *lines[3].eval_loss ? 3 : 4;
  CHECK(contains(harder.err, concat(" after step ", best, ", kept in ")));
  REQUIRE(run_scca(place.finetune("short", static_cast<int>(best))).code == 0);
  CHECK(read_text_file(place.folder / "run/best/adapter_model.safetensors") == place.adapter("short"));
  const RunResult fewer = run_scca(place.finetune("run", 5, on(place.data, "320")));
  CHECK(contains(fewer.err, "note: 4 evaluations of this run so far not on what"));
  CHECK(contains(fewer.err, "best evaluation: loss "));
  CHECK(contains(fewer.err, " after step 5, kept in "));
  CHECK(!contains(run_scca(place.finetune("run", 5, on(place.data, "320"))).err, "note: 5 evaluations"));
}

TEST_CASE("resume: a model that is cut short while a run uses it is one line, and what was saved is whole") {
  const OwnModel place;
  RunningScca run(place.finetune("run", 100000));
  place.wait_for_steps("run", 4);
  fs::resize_file(place.model / "model.safetensors", 4096);
  const RunResult result = run.wait();
  CAPTURE(result.err);
  CHECK(result.code == 1);
  CHECK(contains(result.err, "\nscca: " + (place.model / "model.safetensors").string() +
                                 ": was cut short while it was in use, or its disk failed"));
  CHECK(result.err.back() == '\n');
  fs::copy_file(kModel + "/model.safetensors", place.model / "model.safetensors",
                fs::copy_options::overwrite_existing);
  const RunResult resumed = run_scca(place.finetune("run", 1, {"--resume"}));
  CHECK(contains(resumed.err, "--steps 1: "));  // there is a checkpoint, and it is whole
  CHECK_FALSE(contains(resumed.err, "note: "));
}
