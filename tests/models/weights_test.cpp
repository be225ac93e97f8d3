#include "models/weights.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

/// A file of one tensor "w" [count] of any dtype, with `pad` bytes of header more than needed.
std::string one_tensor(const char* dtype, const std::string& data, size_t count, size_t pad = 0) {
  const std::string header = "{\"w\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":[" +
                             std::to_string(count) + "],\"data_offsets\":[0," + std::to_string(data.size()) +
                             "]}}" + std::string(pad, ' ');
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace

TEST_CASE("weights: the same dtype is read in place, and stays when the reader is gone") {
  Tensor embedding;
  {
    const Weights weights(SCCA_SOURCE_DIR "/tests/data/stories260K");
    CHECK(weights.names().size() == 47);
    CHECK(weights.contains("model.norm.weight"));
    CHECK(!weights.contains("lm_head.weight"));
    const int64_t live = memory_counters().live_bytes;
    embedding = weights.load("model.embed_tokens.weight", DType::f32, {512, 64});
    CHECK(memory_counters().live_bytes == live);
    CHECK(!embedding.unique());
    CHECK(std::as_const(embedding).raw() == weights.stored("model.embed_tokens.weight").data);
    CHECK(weights.load("model.embed_tokens.weight", DType::bf16).unique());
  }
  double sum = 0;
  for (float value : embedding.to_vector<float>()) sum += std::abs(value);
  CHECK(sum > 0);
  CHECK(std::isfinite(sum));
}

#ifdef __FLT16_MANT_DIG__
// Every one of the 65536 halves, against the compiler's own type.
TEST_CASE("weights: f16 becomes f32 exactly, and bf16 by one rounding") {
  const TemporaryFolder folder;
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  write_file(folder / "model.safetensors", one_tensor("F16", bytes_of(halves), halves.size()));
  const Weights weights(folder.path());
  const Tensor wide = weights.load("w", DType::f32), narrow = weights.load("w", DType::bf16);
  int wrong = 0;
  for (size_t i = 0; i < halves.size(); ++i) {
    _Float16 half;
    std::memcpy(&half, &halves[i], 2);
    const float expected = static_cast<float>(half), got = wide.data<float>()[i];
    const bool same = std::isnan(expected) ? std::isnan(got) && std::signbit(got) == std::signbit(expected)
                                           : std::memcmp(&expected, &got, 4) == 0;
    const float rounded = narrow.data<bf16>()[i];
    const bool close = std::isnan(expected)   ? std::isnan(rounded)
                       : std::isinf(expected) ? rounded == expected
                                              : std::abs(rounded - expected) <= std::abs(expected) * 0x1p-8f;
    wrong += !same || !close;
  }
  CHECK(wrong == 0);
}
#endif

TEST_CASE("weights: conversions between f64, f32 and bf16; integers only as they are") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"f", Tensor::of<float>({1.00390625f, -3.f}, {2})},
                                   {"b", Tensor::of<bf16>({bf16(2.5f)}, {1})},
                                   {"d", Tensor::of<double>({0.1}, {1})},
                                   {"i", Tensor::of<int32_t>({-5}, {1})}});
  const Weights weights(folder / "x");                                // a file by its own path
  CHECK(weights.load("f", DType::bf16).to_vector<bf16>()[0] == 1.f);  // half way: to even
  CHECK(weights.load("f", DType::f64).to_vector<double>() == std::vector<double>{1.00390625, -3.});
  CHECK(weights.load("b", DType::f32).item() == 2.5);
  CHECK(weights.load("d", DType::f32).to_vector<float>()[0] == 0.1f);
  CHECK(weights.load("i", DType::i32).to_vector<int32_t>()[0] == -5);
  const std::string file = (folder / "x").string();
  CHECK(error_of([&] { weights.load("i", DType::f32); }) ==
        file + ": tensor \"i\" holds I32, which cannot be read as f32");
  CHECK(error_of([&] { weights.load("f", DType::i32); }) ==
        file + ": tensor \"f\" holds F32, which cannot be read as i32");
  CHECK(error_of([&] { weights.load("none", DType::f32); }) ==
        file + ": no tensor \"none\" among its 4 (the first is \"b\")");
  CHECK(error_of([&] {
          weights.load("f", DType::f32, {1, 2});
        }) == file + ": tensor \"f\" is [2], expected [1, 2] (from config.json)");
}

TEST_CASE("weights: data at an odd address is copied, not mapped") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2, 3};
  for (size_t pad = 0; pad < 4; ++pad) {
    write_file(folder / "model.safetensors", one_tensor("F32", bytes_of(values), 3, pad));
    const Tensor tensor = Weights(folder.path()).load("w", DType::f32);
    CHECK(reinterpret_cast<uintptr_t>(tensor.raw()) % 4 == 0);
    CHECK(tensor.to_vector<float>() == values);
  }
}

TEST_CASE("weights: shards are read through their index") {
  const TemporaryFolder folder;
  write_safetensors(folder / "model-00001-of-00002.safetensors", {{"a", Tensor::full({2}, 1)}});
  write_safetensors(folder / "model-00002-of-00002.safetensors", {{"b", Tensor::full({3}, 2)}});
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  const auto map_to = [&](const std::string& map) { write_file(index, "{\"weight_map\":" + map + "}"); };
  const auto error = [&] { return error_of([&] { Weights weights(folder.path()); }); };
  map_to(R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"})");
  const Weights weights(folder.path());
  CHECK(weights.names() == std::vector<std::string>{"a", "b"});
  CHECK(weights.load("b", DType::f32).to_vector<float>() == std::vector<float>(3, 2.f));

  map_to(R"({"b":"model-00001-of-00002.safetensors"})");
  CHECK(error() == (folder / "model-00001-of-00002.safetensors").string() + ": no tensor \"b\", which " +
                       index.string() + " places there");
  map_to(R"({"b":"model-00003-of-00002.safetensors"})");
  CHECK(error() == (folder / "model-00003-of-00002.safetensors").string() +
                       ": cannot be read: No such file or directory");
  for (const char* outside : {"\"../x.safetensors\"", "\"/x.safetensors\"", "\"..\"", "\"\"", "7"}) {
    map_to("{\"b\":" + std::string(outside) + "}");
    CHECK(error() ==
          index.string() + ": tensor \"b\" is placed in " + outside + ", expected a file of the same folder");
  }
  write_file(index, "{}");
  CHECK(error() == index.string() + ": no \"weight_map\", expected one from tensor names to files");
}

TEST_CASE("weights: a folder without weights") {
  const TemporaryFolder folder;
  const auto error = [&](const std::filesystem::path& path) {
    return error_of([&] { Weights weights(path); });
  };
  CHECK(error(folder / "gone") == (folder / "gone").string() + ": no such folder; expected a model's folder");
  const std::string nothing =
      folder.path().string() + ": no model.safetensors and no model.safetensors.index.json in it";
  CHECK(error(folder.path()) == nothing);
  write_file(folder / "pytorch_model.bin", "");
  CHECK(error(folder.path()) == nothing +
                                    "; pytorch_model.bin is not read: save it as safetensors (transformers' "
                                    "save_pretrained does)");
}

TEST_CASE("weights: tensors that no part of a LLaMA reads are refused by name") {
  const TemporaryFolder folder;
  const std::set<std::string> expected{"model.embed_tokens.weight"};
  const Tensor table = Tensor::of<float>({1, 2, 3, 4}, {2, 2});
  const auto error = [&](std::vector<std::pair<std::string, Tensor>> extra, bool tied) {
    extra.emplace_back("model.embed_tokens.weight", table);
    write_safetensors(folder / "model.safetensors", extra);
    const std::string text = error_of([&] { Weights(folder.path()).check_extra(expected, tied); });
    return text.starts_with(folder.path().string()) ? text.substr(folder.path().string().size()) : text;
  };
  CHECK(error({}, true) == "no error");
  CHECK(error({{"model.layers.0.self_attn.rotary_emb.inv_freq", table}, {"model.rotary_emb.inv_freq", table}},
              false) == "no error");
  CHECK(error({{"model.layers.0.self_attn.q_proj.bias", table}}, true) ==
        ": tensor \"model.layers.0.self_attn.q_proj.bias\" has no place in the model of config.json: this is "
        "another model's "
        "file, "
        "which computes something else");
  CHECK(error({{"b.q_norm.weight", table}, {"a.k_norm.weight", table}}, true)
            .starts_with(": tensor \"a.k_norm.weight\" (and 1 more)"));
  CHECK(error({{"lm_head.weight", table}}, false).find("\"lm_head.weight\"") != std::string::npos);
  // A tied head is the embedding, whatever dtype it is stored in.
  CHECK(error({{"lm_head.weight", table}}, true) == "no error");
  CHECK(error({{"lm_head.weight", Tensor::of<double>({1, 2, 3, 4}, {2, 2})}}, true) == "no error");
  CHECK(error({{"lm_head.weight", Tensor::of<float>({1, 2, 3, 5}, {2, 2})}}, true)
            .find("lm_head.weight differs from model.embed_tokens.weight") != std::string::npos);
  CHECK(error({{"lm_head.weight", Tensor::of<float>({1, 2}, {1, 2})}}, true).find("differs") !=
        std::string::npos);
}

TEST_CASE("weights: a model saved without its head is read where the head is the embedding") {
  const TemporaryFolder folder;
  const Tensor table = Tensor::of<float>({1, 2, 3, 4}, {2, 2});
  write_safetensors(folder / "model.safetensors",
                    {{"embed_tokens.weight", table}, {"layers.0.mlp.up_proj.weight", table}});
  const std::set<std::string> expected{"model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"};
  const Weights weights(folder.path());
  CHECK(weights.names() == std::vector<std::string>(expected.begin(), expected.end()));
  CHECK(weights.load("model.layers.0.mlp.up_proj.weight", DType::f32).to_vector<float>() ==
        table.to_vector<float>());
  CHECK(error_of([&] { weights.check_extra(expected, true); }) == "no error");
  CHECK(error_of([&] {
          weights.check_extra(expected, false);
        }).starts_with(folder.path().string() + ": no lm_head.weight, and no name begins with \"model.\": "));
  CHECK(error_of([&] { weights.check_extra({"model.embed_tokens.weight"}, true); }).find("has no place") !=
        std::string::npos);
  // With a head or one name of the other form it is neither.
  for (const char* other : {"lm_head.weight", "model.norm.weight"}) {
    write_safetensors(folder / "model.safetensors", {{"embed_tokens.weight", table}, {other, table}});
    CHECK(Weights(folder.path()).contains("embed_tokens.weight"));
  }
}

namespace {
/// Bytes of this process in memory.
int64_t resident() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, here = 0;
  file >> all >> here;
  return here * ::sysconf(_SC_PAGESIZE);
}
}  // namespace

TEST_CASE("weights: what was converted leaves memory, so that loading takes the room of the result") {
  const TemporaryFolder folder;
  const int64_t count = int64_t{8} << 20;  // 32 MB of f32
  write_safetensors(folder / "model.safetensors", {{"w", Tensor::full({count / 256, 256}, 0.5)}});
  const Weights weights(folder.path());
  const int64_t before = resident();
  const Tensor loaded = weights.load("w", DType::bf16);
  CHECK(resident() - before < 28'000'000);  // 16.8 MB and a piece of 8 MB; with the file 50 MB
  CHECK(loaded.to_vector<bf16>()[count - 1] == bf16(0.5f));
}
