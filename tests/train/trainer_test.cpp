// Fine-tuning as a user meets it: killed, interrupted, resumed, misused, on a full disk. The model is
// stories260K.
#include "train/trainer.h"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
using Words = std::vector<std::string>;

/// A folder with a text of about 20 kB, and the command that trains on it.
struct Workplace {
  Workplace() {
    std::ofstream file(data);
    for (int i = 0; i < 300; ++i) {
      file << "Tim had " << i << " red balls. He gave " << i % 7 << " of them to Lily and " << i % 11
           << " to Ben.\n";
    }
  }

  Words finetune(const std::string& run, int steps, const Words& more = {}) const {
    Words all{"finetune",
              "--model",
              kModel,
              "--data",
              data,
              "--out",
              (folder / run).string(),
              "--context",
              "64",
              "--steps",
              std::to_string(steps),
              "--batch",
              "2",
              "--grad-accum",
              "2",
              "--lr",
              "1e-3",
              "--lora-dropout",
              "0.1",
              "--save-every",
              "3",
              "--seed",
              "5"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// The lines of metrics.jsonl without what depends on the clock and the machine.
  std::vector<std::string> metrics(const std::string& run) const {
    std::vector<std::string> lines;
    std::ifstream file(folder / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      nlohmann::json m = nlohmann::json::parse(line, nullptr, false);
      if (m.is_discarded()) continue;  // being written just now
      m.erase("tokens_per_s");
      m.erase("peak_bytes");
      lines.push_back(m.dump());
    }
    return lines;
  }

  std::string adapter(const std::string& run) const {
    return read_text_file(folder / run / "adapter" / "adapter_model.safetensors");
  }

  /// Waits until the run has that many lines of metrics, at most 60 s.
  void wait_for_steps(const std::string& run, size_t steps) const {
    for (int i = 0; i < 60000 && metrics(run).size() < steps; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  TemporaryFolder folder;
  std::string data = (folder / "data.txt").string();
};

/// The same command with another value for one flag.
Words with(Words words, const std::string& flag, const std::string& value) {
  *(std::find(words.begin(), words.end(), flag) + 1) = value;
  return words;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("trainer: a run killed again and again ends with the same bits") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("whole", 14)).code == 0);
  REQUIRE(place.metrics("whole").size() == 14);
  // --resume with no checkpoint starts at 0; the kills fall before, at and after checkpoints (every 3 steps)
  for (const size_t steps : {1, 4, 6, 8}) {
    RunningScca run(place.finetune("killed", 14, {"--resume"}));
    place.wait_for_steps("killed", steps);
    run.send(SIGKILL);
    CHECK(run.wait().code == -1);
  }
  const RunResult last = run_scca(place.finetune("killed", 14, {"--resume"}));
  CHECK(last.code == 0);
  CHECK(contains(last.err, "resuming"));
  CHECK(place.metrics("killed") == place.metrics("whole"));
  CHECK(place.adapter("killed") == place.adapter("whole"));
}

TEST_CASE("trainer: checkpointing changes no loss") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("on", 4, {"--checkpointing", "on"})).code == 0);
  REQUIRE(run_scca(place.finetune("off", 4, {"--checkpointing", "off"})).code == 0);
  CHECK(place.metrics("on") == place.metrics("off"));
  CHECK(place.adapter("on") == place.adapter("off"));
}

TEST_CASE("trainer: Ctrl-C finishes the step, saves, and says how to go on") {
  const Workplace place;
  RunningScca run(place.finetune("run", 100000));
  place.wait_for_steps("run", 2);
  run.send(SIGINT);
  const RunResult result = run.wait();
  CHECK(result.code == 1);
  CHECK(contains(result.err, "--resume goes on from there"));
  const size_t done = place.metrics("run").size();
  CHECK(contains(result.err, concat("after step ", done, " of 100000")));
  const RunResult resumed = run_scca(place.finetune("run", static_cast<int>(done) + 2, {"--resume"}));
  CHECK(resumed.code == 0);
  CHECK(contains(resumed.err, concat("after step ", done)));
  CHECK(place.metrics("run").size() == done + 2);
  const RunResult fewer = run_scca(place.finetune("run", 1, {"--resume"}));
  CHECK(fewer.code == 2);
  CHECK(contains(fewer.err, "--steps 1: "));
}

TEST_CASE("trainer: other settings are refused by name, more steps are not") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 3)).code == 0);
  const auto before = place.metrics("run");
  const RunResult other = run_scca(place.finetune("run", 3, {"--resume", "--clip", "0.5"}));
  CHECK(other.code == 2);
  CHECK(contains(other.err, "--clip"));
  CHECK(place.metrics("run") == before);
  CHECK(run_scca(place.finetune("run", 5, {"--resume"})).code == 0);
  CHECK(place.metrics("run").size() == 5);
}

TEST_CASE("trainer: an existing run is not written without --resume") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 2)).code == 0);
  const std::string adapter = place.adapter("run");
  const RunResult again = run_scca(place.finetune("run", 4));
  CHECK(again.code == 2);
  CHECK(again.one_error_line());
  CHECK(contains(again.err, "--resume"));
  CHECK(place.adapter("run") == adapter);
}

TEST_CASE("trainer: a loss that is not finite stops the run and keeps the last checkpoint") {
  const Workplace place;
  const Words often = with(place.finetune("run", 50, {"--warmup", "0", "--clip", "0"}), "--save-every", "1");
  const RunResult result = run_scca(with(often, "--lr", "1e30"));
  CHECK(result.code == 1);
  CHECK(contains(result.err, "step 2: the "));
  CHECK(contains(result.err, "the checkpoint of step 1 is kept"));
  CHECK(std::filesystem::exists(place.folder / "run" / "checkpoints" / "step-00000001.safetensors"));
}

TEST_CASE("trainer: a disk that fills is one line, and leaves nothing half-written") {
  const Workplace place;
  RunningScca run(place.finetune("run", 6), 100000);  // the checkpoint is larger
  const RunResult result = run.wait();
  CHECK(result.code == 1);
  CHECK(contains(result.err, "step-00000003.safetensors"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(place.folder / "run")) {
    CHECK_FALSE(entry.path().extension() == ".tmp");
    CHECK_FALSE(contains(entry.path().filename().string(), "step-"));
  }
}

TEST_CASE("trainer: data that does not do is said before anything is made") {
  const Workplace place;
  const std::string file = (place.folder / "short.txt").string();
  std::ofstream(file) << "Tim had a ball.";
  const RunResult short_data = run_scca(with(place.finetune("run", 2), "--data", file));
  CHECK(short_data.code == 1);
  CHECK(contains(short_data.err, "64"));
  const std::string nothing = (place.folder / "empty.txt").string();
  std::ofstream{nothing};
  CHECK(run_scca(with(place.finetune("run", 2), "--data", nothing)).code == 1);
  CHECK_FALSE(std::filesystem::exists(place.folder / "run"));
}
