// Disks and machines that fail, under the real program: whatever happens while a file is written, nothing of
// a run is lost, and what it goes on with is whole.
#include "tests/faults/faults.h"

#include <doctest/doctest.h>

#include "models/files/safetensors.h"
#include "tests/train/workplace.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

namespace {

/// A run of few tensors that saves at every step: 60 calls a save.
Words small_run(const Workplace& place, const std::string& run, const Words& more = {}) {
  Words words = with(place.finetune(run, 3, {"--lora-targets", "q", "--train", "none"}), "--save-every", "1");
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> temporaries(const fs::path& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".tmp") found.push_back(entry.path().filename());
  return found;
}

}  // namespace

// Each run is killed one call later than the one before and goes on where that one was: so the kills meet
// every call of the start and of a checkpoint; then, of a run that has done its steps, every call of what it
// leaves.
TEST_CASE("faults: killed at every call that changes a file, a run goes on and ends with the same bits") {
  const Workplace place;
  REQUIRE(run_scca(small_run(place, "whole")).code == 0);
  for (const int least : {40, 25}) {
    int kills = 0;
    for (RunResult result; result.code != 0; ++kills) {
      REQUIRE(kills < 200);
      const Faults faults(concat("kill ", kills + 1));
      result = run_scca(small_run(place, "killed", {"--resume"}));
      CAPTURE(kills);
      CAPTURE(result.err);
      CHECK((result.code == 0 || result.code == -1));
      CHECK_FALSE(contains(result.err, "damaged"));
    }
    CHECK(kills - 1 >= least);
  }
  CHECK(place.metrics("killed") == place.metrics("whole"));
  CHECK(place.adapter("killed") == place.adapter("whole"));
  for (const char* step : {"2", "3"}) {
    const std::string file = concat("checkpoints/step-0000000", step, ".safetensors");
    const SafetensorsFile killed(place.folder / "killed" / file), whole(place.folder / "whole" / file);
    REQUIRE(killed.tensors().size() == whole.tensors().size());
    for (const auto& [name, tensor] : killed.tensors())
      CHECK(hash_of(tensor) == hash_of(whole.tensors().at(name)));
  }
  CHECK(temporaries(place.folder / "killed").empty());
}

TEST_CASE("faults: a disk that fills after the first checkpoint loses nothing") {
  const Workplace place;
  REQUIRE(run_scca(small_run(place, "whole")).code == 0);
  for (const int call : {1, 9, 30, 47, 61, 100}) {
    const std::string run = concat("full", call);
    RunResult result;
    {
      const Faults faults(concat("full ", call, " step-00000001.safetensors"));
      result = run_scca(small_run(place, run));
    }
    CAPTURE(call);
    CAPTURE(result.err);
    CHECK(result.code == 1);
    CHECK(contains(result.err, "No space left on device"));
    CHECK(fs::exists(place.folder / run / "checkpoints" / "step-00000001.safetensors"));
    CHECK(temporaries(place.folder / run).empty());
    const RunResult resumed = run_scca(small_run(place, run, {"--resume"}));
    CHECK(resumed.code == 0);
    CHECK(contains(resumed.err, "resuming"));
    CHECK_FALSE(contains(resumed.err, "note: "));
    CHECK(place.metrics(run) == place.metrics("whole"));
    CHECK(place.adapter(run) == place.adapter("whole"));
  }
}

TEST_CASE("faults: merge appears whole or not at all, and touches nothing that was there") {
  const Workplace place;
  REQUIRE(run_scca(place.finetune("run", 1)).code == 0);
  const fs::path out = place.folder / "merged";
  fs::create_directory(place.folder / "merged.tmp");
  write_file(place.folder / "merged.tmp/mine", "mine");
  const Words merge{"merge", "--model",   kModel, "--adapter", (place.folder / "run/adapter").string(),
                    "--out", out.string()};
  for (const int call : {1, 2, 20, 40}) {
    const Faults faults(concat("kill ", call));
    CHECK(run_scca(merge).code == -1);
    CHECK_FALSE(fs::exists(out));
  }
  {
    const Faults faults("full 30");
    const RunResult full = run_scca(merge);
    CHECK(full.code == 1);
    CHECK(full.one_error_line());
    CHECK_FALSE(fs::exists(out));
  }
  REQUIRE(run_scca(merge).code == 0);
  CHECK(place.folder.names() == Words{"data.txt", "merged", "merged.tmp", "run"});
  CHECK(read_text_file(place.folder / "merged.tmp/mine") == "mine");
  CHECK(run_scca({"logits", "--model", out.string(), "--ids", "1,2"}).code == 0);
}
