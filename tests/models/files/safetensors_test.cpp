#include "models/files/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>

#include "core/check.h"
#include "core/file.h"
#include "ops/cast.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

/// A file with this header and this many bytes of data, its length field told truly or not.
std::string file_with(const std::string& header, size_t data_bytes, int64_t length = -1) {
  const uint64_t told = length < 0 ? header.size() : static_cast<uint64_t>(length);
  return std::string(reinterpret_cast<const char*>(&told), 8) + header + std::string(data_bytes, '\1');
}

/// The error on opening a file of these bytes, without the file's name in front.
std::string error_on(const std::string& bytes) {
  const TemporaryFolder folder;
  write_file(folder / "m.safetensors", bytes);
  std::string error = error_of([&] { SafetensorsFile file(folder / "m.safetensors"); });
  const std::string prefix = (folder / "m.safetensors").string() + ": ";
  if (error.rfind(prefix, 0) == 0) error.erase(0, prefix.size());
  CHECK(error.find('\n') == std::string::npos);
  return error;
}

const std::string kStories = SCCA_SOURCE_DIR "/tests/data/stories260K/model.safetensors";

}  // namespace

TEST_CASE("safetensors: a file is read as it was written") {
  const TemporaryFolder folder;
  const Tensor a = Tensor::of<float>({1.5f, -2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  const Tensor b = Tensor::of<bf16>({bf16(1.f), bf16(-0.5f), bf16(7.f)}, {3});
  const Tensor c = Tensor::of<double>({1e300}, {});
  const Tensor d = Tensor::of<int32_t>({-7, 1 << 30}, {2, 1});
  write_safetensors(folder / "x", {{"b", b}, {"d", d}, {"a \"quoted\"\n", a}, {"c", c}}, {{"step", "12"}});
  const SafetensorsFile file(folder / "x");
  CHECK(file.metadata() == std::map<std::string, std::string>{{"step", "12"}});
  REQUIRE(file.tensors().size() == 4);
  const auto holds = [&](const char* name, const char* dtype, const Tensor& tensor) {
    const StoredTensor& stored = file.tensors().at(name);
    CHECK(stored.dtype == dtype);
    CHECK(stored.shape == tensor.shape());
    REQUIRE(stored.bytes == tensor.bytes());
    CHECK(std::memcmp(stored.data, tensor.raw(), tensor.bytes()) == 0);
    CHECK(reinterpret_cast<uintptr_t>(stored.data) % size_of(tensor.dtype()) == 0);
  };
  holds("a \"quoted\"\n", "F32", a);
  holds("b", "BF16", b);
  holds("c", "F64", c);
  holds("d", "I32", d);
}

// The stored file has the library's order and header, so writing its tensors again must give its bytes.
TEST_CASE("safetensors: rewriting stories260K gives the same file") {
  const TemporaryFolder folder;
  const SafetensorsFile file(kStories);
  CHECK(file.tensors().size() == 47);
  std::vector<TensorSpec> specs;
  for (const auto& [name, stored] : file.tensors()) specs.push_back({name, "F32", stored.shape});
  std::vector<std::string> order;
  write_safetensors(folder / "x", specs, [&](const std::string& name) {
    order.push_back(name);
    const StoredTensor& stored = file.tensors().at(name);
    return Tensor::over(Storage::borrow(stored.data, stored.bytes, file.mapping()), 0, stored.shape,
                        DType::f32);
  });
  CHECK((read_text_file(folder / "x") == read_text_file(kStories)));
  CHECK(order.size() == 47);
}

TEST_CASE("safetensors: the widest dtype comes first, the header is padded to 8") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", Tensor::zeros({1}, DType::bf16)}, {"b", Tensor::zeros({2})}});
  const std::string text = read_text_file(folder / "x");
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]}})";
  CHECK(text.substr(8, header.size()) == header);
  uint64_t length;
  std::memcpy(&length, text.data(), 8);
  CHECK(length == (header.size() + 7) / 8 * 8);
  CHECK(text.size() == 8 + length + 10);
}

TEST_CASE("safetensors: a model without elements and an empty model") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"none", Tensor::zeros({0, 3})}});
  CHECK(SafetensorsFile(folder / "x").tensors().at("none").shape == Shape{0, 3});
  write_safetensors(folder / "y", std::vector<std::pair<std::string, Tensor>>{});
  CHECK(SafetensorsFile(folder / "y").tensors().empty());
}

TEST_CASE("safetensors: what cannot be written leaves nothing behind") {
  const TemporaryFolder folder;
  const Tensor one = Tensor::zeros({1});
  CHECK(error_of([&] {
          write_safetensors(folder / "x", {{"a", one}, {"a", one}});
        }) == "safetensors: two tensors are named \"a\"");
  CHECK(error_of([&] {
          write_safetensors(folder / "x", {{"a", "F32", {2}}}, [&](const std::string&) { return one; });
        }) == (folder / "x").string() + ": tensor \"a\" is f32 [1], expected F32 [2]");
  CHECK(folder.names().empty());
}

TEST_CASE("safetensors: headers that lie") {
  CHECK(error_on("") == "0 bytes are too few for a safetensors file");
  CHECK(error_on("1234567") == "7 bytes are too few for a safetensors file");
  CHECK(error_on(file_with("{}", 0, 3)) == "says its header has 3 bytes, but only 2 follow (cut short?)");
  CHECK(
      error_on(file_with("{}", 0, int64_t{1} << 62)) ==
      "says its header has 4611686018427387904 bytes, expected at most 100000000; it is no safetensors file");
  CHECK(error_on(file_with("{}", 0, 1)).rfind("header: not JSON: parse error at line 1, column 2", 0) == 0);
  CHECK(error_on(file_with("{\"a\":\n}", 0)).rfind("header: not JSON: parse error at line 2, column 1", 0) ==
        0);
  CHECK(error_on(file_with("\xff\xfe{}", 0)).rfind("header: not JSON: ", 0) == 0);
  CHECK(error_on(file_with("[1]", 0)) == "header is [1], expected an object");
  CHECK(error_on(file_with(std::string(1 << 20, '['), 0))
            .rfind("header: is nested deeper than 200 levels", 0) == 0);
  CHECK(error_on(file_with("{\"a\":1,\"a\":2}", 0)) == "header: the key \"a\" comes twice");
  CHECK(error_on(file_with("{\"__metadata__\":{\"format\":1}}", 0)) ==
        "__metadata__: \"format\" is 1, expected a string");
}

TEST_CASE("safetensors: tensors that lie") {
  const auto error = [](const std::string& fields, size_t bytes) {
    return error_on(file_with("{\"w\":{" + fields + "}}", bytes));
  };
  const std::string f32 = "\"dtype\":\"F32\",", two = "\"shape\":[2],", eight = "\"data_offsets\":[0,8]";
  CHECK(error(f32 + two + eight, 8) == "no error");
  CHECK(error(f32 + two + eight, 7) ==
        "tensor \"w\": data_offsets [0, 8] do not lie in the file, which holds 7 bytes of data (cut short?)");
  CHECK(error(f32 + two + "\"data_offsets\":[8,0]", 8) ==
        "tensor \"w\": data_offsets [8, 0] do not lie in the file, which holds 8 bytes of data (cut short?)");
  CHECK(error(f32 + two + eight, 9) == "bytes 8 to 9 of the data belong to no tensor");
  CHECK(error(f32 + two + "\"data_offsets\":[1,9]", 9) == "bytes 0 to 1 of the data belong to no tensor");
  CHECK(error(f32 + "\"shape\":[3]," + eight, 8) ==
        "tensor \"w\": F32 [3] takes 12 bytes, but data_offsets give it 8");
  CHECK(error("\"dtype\":\"F31\"," + two + eight, 8) ==
        "tensor \"w\": unknown dtype \"F31\", expected F64, F32, F16, BF16 or an integer type");
  CHECK(error_on(file_with("{\"two\\nlines\":{}}", 0)) == "tensor \"two\\nlines\" has no dtype");
  CHECK(error("\"dtype\":3," + two + eight, 8) ==
        "tensor \"w\": dtype is 3, expected a name such as \"F32\"");
  CHECK(error(f32 + two + "\"data_offsets\":[0]", 8) ==
        "tensor \"w\": data_offsets is [0], expected [begin, end]");
  CHECK(error(f32 + "\"shape\":[-2]," + eight, 8) ==
        "tensor \"w\": shape is [-2], expected a list of integers from 0 up");
  CHECK(error(f32 + "\"shape\":[2.0]," + eight, 8) ==
        "tensor \"w\": shape is [2.0], expected a list of integers from 0 up");
  CHECK(error(f32 + "\"shape\":[4294967296,4294967296]," + eight, 8) ==
        "tensor \"w\": shape [4294967296, 4294967296] has more elements than 64 bits count");
  CHECK(error(two + eight, 8) == "tensor \"w\" has no dtype");
  CHECK(error(f32 + eight, 8) == "tensor \"w\" has no shape");
  CHECK(error_on(file_with("{\"w\":3}", 0)) == "tensor \"w\" is 3, expected dtype, shape and data_offsets");
  CHECK(
      error_on(file_with(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
          12)) == "tensors \"a\" and \"b\" overlap: bytes up to 8 and from 4");
}

TEST_CASE("safetensors: cut anywhere, a real file is refused") {
  const std::string whole = read_text_file(kStories);
  for (size_t keep : {size_t{0}, size_t{8}, size_t{100}, whole.size() / 2, whole.size() - 1})
    CHECK(error_on(whole.substr(0, keep)) != "no error");
  CHECK(error_on(whole + "x") != "no error");
}

TEST_CASE("safetensors: with a content hash no byte of a file can change unseen") {
  const TemporaryFolder folder;
  const auto path = folder / "x";
  write_safetensors(
      path, {{"w", Tensor::full({3, 5}, 0.5)}, {"none", Tensor::zeros({0, 2})}},
      {{"format", "pt"}, {kContentHash, ""}, {"about", "\"content_hash\":\"0000000000000000\""}});
  CHECK(error_of([&] { SafetensorsFile(path).check_content(); }) == "no error");
  const std::string whole = read_text_file(path);
  const size_t header_end = whole.rfind("}") + 1;  // spaces follow, which hold nothing
  for (size_t at = 0; at < whole.size(); ++at) {
    if (at >= header_end && whole[at] == ' ') continue;
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << bit);
      std::ofstream(path, std::ios::binary) << bytes;
      CAPTURE(at);
      CAPTURE(bit);
      CHECK(error_of([&] { SafetensorsFile(path).check_content(); }).starts_with(path.string() + ": "));
    }
  }
}

TEST_CASE(
    "safetensors: the content hash is of the content, not of its order, and only where it is asked for") {
  const TemporaryFolder folder;
  const Tensor a = Tensor::full({3}, 1), b = Tensor::full({5}, 2);
  const auto hash_after = [&](const std::vector<std::pair<std::string, Tensor>>& tensors,
                              const Metadata& metadata) {
    write_safetensors(folder / "x", tensors, metadata);
    return SafetensorsFile(folder / "x").metadata().at(kContentHash);
  };
  const std::string hash = hash_after({{"a", a}, {"b", b}}, {{kContentHash, ""}, {"k", "v"}});
  CHECK(hash.size() == 16);
  CHECK(hash_after({{"b", b}, {"a", a}}, {{kContentHash, "anything"}, {"k", "v"}}) == hash);
  CHECK(hash_after({{"a", b}, {"b", a}}, {{kContentHash, ""}, {"k", "v"}}) != hash);
  CHECK(hash_after({{"a", a}, {"b", b}}, {{kContentHash, ""}, {"k", "w"}}) != hash);
  CHECK(hash_after({{"a", a}, {"b", cast(b, DType::bf16)}}, {{kContentHash, ""}, {"k", "v"}}) != hash);
  write_safetensors(folder / "x", {{"a", a}});
  CHECK_FALSE(SafetensorsFile(folder / "x").metadata().contains(kContentHash));
  CHECK(error_of([&] { SafetensorsFile(folder / "x").check_content(); }).find("has no content_hash") !=
        std::string::npos);
}
