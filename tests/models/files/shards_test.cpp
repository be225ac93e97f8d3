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
