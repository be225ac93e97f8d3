#include "models/files/shards.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/weights.h"
#include "nn/json.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

Tensor numbers(const std::string& name) {
  const auto size = static_cast<float>(name.back() - 'a' + 1);
  return Tensor::of(std::vector<float>{size, size + 0.3f, -size / 3}, {3});
}

std::set<std::string> files_in(const TemporaryFolder& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    names.insert(entry.path().filename().string());
  return names;
}

}  // namespace

namespace {

const std::vector<TensorSpec> kThree{{"a", "F32", {3}}, {"b", "F32", {3}}, {"c", "F32", {3}}};

/// What a reader finds: the first number of each tensor, or why there is none.
std::string found_in(const std::filesystem::path& folder) {
  std::string found;
  const std::string error = error_of([&] {
    const Weights weights(folder);
    for (const std::string& name : weights.names())
      found += concat(weights.load(name, DType::f32).to_vector<float>()[0], " ");
  });
  return error == "no error" ? found : error.find("no model.safetensors") != error.npos ? "none" : error;
}

/// A save whose tensors all hold `value`, ended before the tensor `until` as by a kill.
void save(const std::filesystem::path& folder, double value, uint64_t most, const std::string& until = "") {
  error_of([&] {
    write_shards(
        folder, kThree,
        [&](const std::string& name) {
          if (name == until) fail("killed");
          return Tensor::full({3}, value);
        },
        most);
  });
}

}  // namespace

TEST_CASE("shards: a save over another, ended anywhere, leaves one of the two or none") {
  const uint64_t shards_of_each[] = {100, 24, 12};  // one file, two shards, three
  for (const uint64_t before : shards_of_each)
    for (const uint64_t after : shards_of_each)
      for (const std::string until : {"a", "b", "c", ""}) {
        CAPTURE(before);
        CAPTURE(after);
        CAPTURE(until);
        const TemporaryFolder folder;
        save(folder.path(), 1, before);
        REQUIRE(found_in(folder.path()) == "1 1 1 ");
        save(folder.path(), 2, after, until);
        const std::string interrupted = before == 100 || after == 100 ? "1 1 1 " : "none";
        CHECK(found_in(folder.path()) == (until.empty() ? "2 2 2 " : interrupted));
        save(folder.path(), 2, after);
        CHECK(found_in(folder.path()) == "2 2 2 ");
        CHECK(files_in(folder).size() == (after == 100 ? 1 : after == 24 ? 3 : 4));
      }
}

TEST_CASE("shards: what else lies in the folder stays") {
  const TemporaryFolder folder;
  for (const char* name : {"model-1-of-2.safetensors", "model-00001-of-00002.safetensors.txt", "x"})
    write_file(folder / name, "");
  save(folder.path(), 1, 12);
  CHECK(files_in(folder).size() == 7);
}

TEST_CASE("shards: tensors in their order fill a shard; what fits in one is one file") {
  const std::vector<TensorSpec> specs{
      {"d", "F32", {3}}, {"a", "F16", {3}}, {"c", "F32", {3}}, {"b", "F32", {3}}};
  const TemporaryFolder one;
  write_shards(one.path(), specs, numbers, 42);  // 12 + 6 + 12 + 12 bytes
  CHECK(files_in(one) == std::set<std::string>{"model.safetensors"});

  const TemporaryFolder folder;
  write_shards(folder.path(), specs, numbers, 18);
  CHECK(files_in(folder) ==
        std::set<std::string>{"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                              "model-00003-of-00003.safetensors", "model.safetensors.index.json"});
  const std::string index = folder / "model.safetensors.index.json";
  CHECK(parse_json(read_text_file(index), index) == Json{{"metadata", {{"total_size", 42}}},
                                                         {"weight_map",
                                                          {{"d", "model-00001-of-00003.safetensors"},
                                                           {"a", "model-00001-of-00003.safetensors"},
                                                           {"c", "model-00002-of-00003.safetensors"},
                                                           {"b", "model-00003-of-00003.safetensors"}}}});
  const Weights weights(folder.path());
  for (const char* name : {"b", "c", "d"}) CHECK(same_bits(weights.load(name, DType::f32), numbers(name)));
  CHECK(weights.stored("a").dtype == "F16");
  CHECK(weights.load("a", DType::f32).to_vector<float>() ==
        std::vector<float>{1, 1.2998046875f, -0.333251953125f});  // by numpy
}
