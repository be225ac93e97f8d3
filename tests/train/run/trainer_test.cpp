// Fine-tuning as a user meets it: killed, interrupted, resumed, misused, on a full disk. The model is
// stories260K.
#include "train/run/trainer.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/train/workplace.h"

using namespace scca;
using namespace scca::test;

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

TEST_CASE("trainer: attention that changes: its steps, killed between them, its memory") {
  const Workplace place;
  const auto under = [&](const std::string& run, const std::string& attention, int steps, Words more = {}) {
    more.insert(more.end(), {"--attention", attention});
    const RunResult result = run_scca(place.finetune(run, steps, std::move(more)));
    CHECK_MESSAGE(result.code == 0, result.err);
    return result;
  };
  under("local", "local(chunk=8)", 3);
  const RunResult grown = under("grown", "local(chunk=8)..3,full", 6);
  CHECK(contains(grown.err, "attention local(chunk=8)..3, full; "));
  const auto alone = place.metrics("local"), all = place.metrics("grown");
  CHECK(std::equal(alone.begin(), alone.end(), all.begin()));
  under("always", "local(chunk=8)", 6);
  CHECK(place.metrics("always")[3] != all[3]);
  // before the change and behind it
  under("parts", "local(chunk=8)..3,full", 2);
  under("parts", "local(chunk=8)..3,full", 4, {"--resume"});
  under("parts", "local(chunk=8)..3,full", 6, {"--resume"});
  CHECK(place.metrics("parts") == all);
  CHECK(place.adapter("parts") == place.adapter("grown"));
  CHECK(contains(under("early", "local(chunk=8)..3,full", 3).err,
                 ", of which --steps does not reach full from step 4"));
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
  const auto last_line = [](const std::string& text) {
    return text.substr(text.rfind('\n', text.size() - 2) + 1);
  };
  CHECK(contains(
      last_line(result.err),
      ". Use a lower --lr or a longer --warmup in a new --out; --resume would come to this step again\n"));
  Words again = with(often, "--lr", "1e30");
  again.push_back("--resume");
  CHECK(last_line(run_scca(again).err) == last_line(result.err));
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
