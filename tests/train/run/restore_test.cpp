#include "train/run/restore.h"

#include <doctest/doctest.h>

#include <fstream>
#include <functional>

#include "core/check.h"
#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using test::error_of;
using test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

NamedTensors tensors_of(double value) {
  return {{"parameter.a", Tensor::full({31, 5}, value)}, {"first.a", Tensor::full({31, 5}, value)}};
}

const nlohmann::json kSettings{{"lr", 0.5}, {"seed", 7}};

/// A run with checkpoints of steps 3 and 6, whose values are the step.
struct Run {
  Run() {
    for (const int64_t step : {3, 6}) write(step, tensors_of(static_cast<double>(step)));
  }
  void write(int64_t step, const NamedTensors& tensors) const {
    write_checkpoint(run.checkpoint_path(step), {step, {1, static_cast<uint64_t>(step)}, kSettings}, tensors);
  }
  /// The step that was restored, -1 for none; the values are that step's.
  int64_t restore(const nlohmann::json& settings = kSettings) const {
    const NamedTensors tensors = tensors_of(0);
    const auto state = restore_newest(run, {settings, {}}, 100, tensors);
    if (!state) return -1;
    for (const auto& [name, tensor] : tensors)
      CHECK(tensor.to_vector<float>() == std::vector<float>(155, static_cast<float>(state->step)));
    CHECK(state->random.draw == static_cast<uint64_t>(state->step));
    return state->step;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(run.path() / "checkpoints"))
      found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }

  TemporaryFolder folder;
  RunFolder run{folder / "run", false};
  fs::path newest = run.checkpoint_path(6);
};

void flip(const fs::path& file, size_t at, int bit = 3) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  const int byte = bytes.get();
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(static_cast<char>(byte ^ 1 << bit));
}

/// Where `text` stands in the file.
size_t place_of(const fs::path& file, const std::string& text) {
  const size_t at = read_text_file(file).find(text);
  REQUIRE(at != std::string::npos);
  return at;
}

}  // namespace

TEST_CASE("restore: the newest checkpoint, or nothing where there is none") {
  const Run run;
  CHECK(run.restore() == 6);
  const TemporaryFolder folder;
  CHECK_FALSE(restore_newest(RunFolder(folder / "new", false), {kSettings, {}}, 9, tensors_of(0)));
}

TEST_CASE("restore: a damaged checkpoint of any kind is set aside for the one before it") {
  const std::vector<std::pair<const char*, std::function<void(const Run&)>>> damages{
      {"the last byte of the data", [](const Run& r) { flip(r.newest, fs::file_size(r.newest) - 1); }},
      {"the first byte of the data",
       [](const Run& r) { flip(r.newest, fs::file_size(r.newest) - 2 * 31 * 5 * 4); }},
      {"the header's length", [](const Run& r) { flip(r.newest, 1); }},
      {"the header's syntax", [](const Run& r) { flip(r.newest, place_of(r.newest, "{")); }},
      {"a tensor's name", [](const Run& r) { flip(r.newest, place_of(r.newest, "first.a")); }},
      {"a shape", [](const Run& r) { flip(r.newest, place_of(r.newest, "[31,5]") + 1, 0); }},
      {"the step", [](const Run& r) { flip(r.newest, place_of(r.newest, "\"step\":\"6") + 8, 0); }},
      {"a setting", [](const Run& r) { flip(r.newest, place_of(r.newest, "0.5") + 2, 1); }},
      {"the random state", [](const Run& r) { flip(r.newest, place_of(r.newest, "draw\\\":\\\"6") + 9, 0); }},
      {"the hash", [](const Run& r) { flip(r.newest, place_of(r.newest, "content_hash") + 16, 0); }},
      {"the hash's name", [](const Run& r) { flip(r.newest, place_of(r.newest, "content_hash")); }},
      {"cut by a byte", [](const Run& r) { fs::resize_file(r.newest, fs::file_size(r.newest) - 1); }},
      {"cut in the header", [](const Run& r) { fs::resize_file(r.newest, 60); }},
      {"empty", [](const Run& r) { fs::resize_file(r.newest, 0); }},
      {"a folder",
       [](const Run& r) {
         fs::remove(r.newest);
         fs::create_directory(r.newest);
       }},
      {"of another step",
       [](const Run& r) {
         fs::copy_file(r.run.checkpoint_path(3), r.newest, fs::copy_options::overwrite_existing);
       }},
      {"of other tensors",
       [](const Run& r) {
         r.write(6, {{"parameter.a", Tensor::zeros({31, 5})}});
       }},
  };
  for (const auto& [what, damage] : damages) {
    CAPTURE(what);
    const Run run;
    damage(run);
    CHECK(run.restore() == 3);
    CHECK(run.names() ==
          std::vector<std::string>{"step-00000003.safetensors", "step-00000006.safetensors.damaged"});
    CHECK(run.restore() == 3);
  }
}

TEST_CASE("restore: other settings are no damage") {
  const Run run;
  nlohmann::json other = kSettings;
  other["lr"] = 0.25;
  CHECK(error_of([&] { run.restore(other); }).starts_with("--lr is 0.25 but "));
  CHECK(error_of([&] {
          restore_newest(run.run, {kSettings, {}}, 5, tensors_of(0));
        }).starts_with("--steps 5: "));
  CHECK(run.names().back() == "step-00000006.safetensors");
}

TEST_CASE("restore: where none is whole the folder stays as it was, and the message says what to do") {
  const Run run;
  for (const int64_t step : {3, 6}) flip(run.run.checkpoint_path(step), 300);
  const auto names = run.names();
  CHECK(error_of([&] { run.restore(); }) == run.run.name() + ": no whole checkpoint is left; remove " +
                                                (run.run.path() / "checkpoints").string() + " to start over");
  CHECK(run.names() == names);
}
