#include "train/run/checkpoint.h"

#include <doctest/doctest.h>

#include <fstream>

#include "core/check.h"
#include "core/file.h"
#include "tests/temporary_folder.h"
#include "train/run/run_folder.h"

using namespace scca;
using test::error_of;
using test::TemporaryFolder;

namespace {

NamedTensors some_tensors(double value) {
  return {{"parameter.a", Tensor::full({3, 5}, value)},
          {"first.a", Tensor::full({3, 5}, value + 1)},
          {"parameter.b", Tensor::full({7}, value + 2)}};
}

TrainState some_state() {
  // A seed beyond 2^53: a number that doubles cannot hold.
  return {.step = 12, .random = {0xfedcba9876543211u, 77}, .settings = {{"lr", 0.1}, {"data", {"x", "y"}}}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("checkpoint: what is written comes back to the bit") {
  TemporaryFolder folder;
  write_checkpoint(folder / "c.safetensors", some_state(), some_tensors(0.1));
  const Checkpoint checkpoint(folder / "c.safetensors");
  CHECK(checkpoint.state().step == 12);
  CHECK(checkpoint.state().random == some_state().random);
  CHECK(checkpoint.state().settings == some_state().settings);
  const NamedTensors restored = some_tensors(9), expected = some_tensors(0.1);
  checkpoint.restore(restored);
  for (size_t i = 0; i < restored.size(); ++i)
    CHECK(restored[i].second.to_vector<float>() == expected[i].second.to_vector<float>());
}

TEST_CASE("checkpoint: one cut short anywhere is refused with its name") {
  TemporaryFolder folder;
  write_checkpoint(folder / "c.safetensors", some_state(), some_tensors(1));
  const std::string whole = read_text_file(folder / "c.safetensors");
  for (size_t size : {size_t{0}, size_t{5}, size_t{8}, size_t{100}, whole.size() - 1}) {
    write_file(folder / "c.safetensors", whole.substr(0, size));
    CAPTURE(size);
    CHECK(contains(error_of([&] { Checkpoint checkpoint(folder / "c.safetensors"); }), "c.safetensors"));
  }
}

TEST_CASE("checkpoint: tensors that do not fit are named, and nothing is copied") {
  TemporaryFolder folder;
  write_checkpoint(folder / "c.safetensors", some_state(), some_tensors(1));
  const Checkpoint checkpoint(folder / "c.safetensors");
  const NamedTensors wrong_shape{{"parameter.a", Tensor::zeros({3, 5})}, {"first.a", Tensor::zeros({5, 3})}};
  CHECK(contains(error_of([&] { checkpoint.restore(wrong_shape); }),
                 "first.a is F32 [3, 5], expected F32 [5, 3]"));
  CHECK(wrong_shape[0].second.to_vector<float>() == std::vector<float>(15, 0.0f));
  CHECK(contains(error_of([&] {
                   checkpoint.restore({{"parameter.c", Tensor::zeros({1})}});
                 }),
                 "has no parameter.c"));
  CHECK(contains(error_of([&] {
                   checkpoint.restore({{"parameter.b", Tensor::zeros({7})}});
                 }),
                 "holds 3 tensors, this run has 1"));
}

TEST_CASE("run folder: an existing one is refused without --resume, and changed by nobody") {
  TemporaryFolder folder;
  CHECK_NOTHROW(RunFolder::check(folder / "new", false));
  CHECK_NOTHROW(RunFolder::check(folder.path(), false));  // empty
  write_file(folder / "file", "mine");
  CHECK(contains(error_of([&] { RunFolder run(folder.path(), false); }), "is there already"));
  CHECK(contains(error_of([&] { RunFolder run(folder / "file", true); }), "is a file, expected a folder"));
  CHECK(folder.names() == std::vector<std::string>{"file"});
}

TEST_CASE("run folder: one process trains in it at a time") {
  TemporaryFolder folder;
  {
    const RunFolder run(folder / "run", false);
    CHECK(contains(error_of([&] { RunFolder second(folder / "run", true); }), "another process is training"));
  }
  CHECK_NOTHROW(RunFolder(folder / "run", true));
}

TEST_CASE("run folder: the newest two checkpoints are kept, and one that is asked for") {
  TemporaryFolder folder;
  const RunFolder run(folder / "run", false);
  for (int64_t step : {100, 20, 3, 100000000}) write_file(run.checkpoint_path(step), "x");
  write_file(folder / "run/checkpoints/step-x.safetensors", "not one");
  run.prune_checkpoints(3);
  CHECK(run.checkpoint_steps() == std::vector<int64_t>{3, 100, 100000000});
  run.prune_checkpoints(100);
  CHECK(run.checkpoint_steps() == std::vector<int64_t>{100, 100000000});
  run.prune_checkpoints(std::nullopt);
  CHECK(run.checkpoint_steps() == std::vector<int64_t>{100, 100000000});
}
