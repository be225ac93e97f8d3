#include "models/files/gguf.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/check.h"
#include "models/files/block_formats.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

namespace {

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string raw(const std::string& text) { return raw(uint64_t{text.size()}) + text; }

std::string head(uint64_t tensors, uint64_t settings, uint32_t version = 3) {
  return "GGUF" + raw(version) + raw(tensors) + raw(settings);
}
std::string line(const std::string& name, const std::vector<uint64_t>& sizes, uint32_t type,
                 uint64_t offset) {
  std::string text = raw(name) + raw(static_cast<uint32_t>(sizes.size()));
  for (const uint64_t size : sizes) text += raw(size);
  return text + raw(type) + raw(offset);
}
/// With the data behind the table, where they begin.
std::string with_data(std::string text, size_t bytes) {
  text.resize((text.size() + 31) / 32 * 32);
  return text + std::string(bytes, '\1');
}

/// What opening a file of these bytes says, without the file's name; "no error" when it is well.
std::string what_is_wrong(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.gguf";
  write_file(path, bytes);
  const std::string error = error_of([&] { GgufFile{path}; });
  CHECK(error.find('\n') == std::string::npos);
  return error.starts_with(path + ": ") ? error.substr(path.size() + 2) : error;
}

}  // namespace

TEST_CASE("gguf: what is written is read, in every format that is written") {
  const TemporaryFolder folder;
  const auto value = [](int64_t row, int64_t i) { return static_cast<float>(row * 64 + i) / 32 - 3; };
  GgufContent content;
  content.set("a.count", uint32_t{7});
  content.set("a.number", 0.5f);
  content.set("a.on", true);
  content.set("a.text", "two\nlines");
  content.set("a.texts", std::vector<std::string>{"", "\xe2\x96\x81the"});
  content.set("a.numbers", std::vector<float>{1, -2.5f});
  content.set("a.ids", std::vector<int32_t>{-1, 3});
  for (const char* dtype : {"F32", "F16", "Q8_0", "Q4_0"})
    content.add(dtype, {3, 64}, dtype, [&](int64_t row, float* out) {
      for (int64_t i = 0; i < 64; ++i) out[i] = value(row, i);
    });
  content.add("vector", {5}, "F32", [](int64_t, float* out) { std::fill_n(out, 5, 2.0f); });
  content.write(folder / "x.gguf");

  const GgufFile file(folder / "x.gguf");
  const Json settings = file.settings();
  CHECK(settings == Json{{"a.count", 7},
                         {"a.number", 0.5},
                         {"a.on", true},
                         {"a.text", "two\nlines"},
                         {"a.texts", {"", "\xe2\x96\x81the"}},
                         {"a.numbers", {1.0, -2.5}},
                         {"a.ids", {-1, 3}}});
  CHECK(file.tensors().at("vector").shape == Shape{5});
  for (const auto& [dtype, tolerance] : std::vector<std::pair<std::string, float>>{
           {"F32", 0}, {"F16", 0x1p-9f}, {"Q8_0", 3.f / 127}, {"Q4_0", 3.f / 8}}) {
    INFO(dtype);
    const StoredTensor& stored = file.tensors().at(dtype);
    CHECK(stored.shape == Shape{3, 64});
    Tensor read = Tensor::empty(stored.shape, DType::f32);
    REQUIRE(read_elements(stored, read));
    float worst = 0;
    for (int64_t i = 0; i < 192; ++i)
      worst = std::max(worst, std::fabs(read.data<float>()[i] - value(i / 64, i % 64)));
    CHECK(worst <= tolerance);
  }

  // A setting that another file takes over is the same setting.
  GgufContent copy;
  for (const auto& [key, entry] : file.metadata()) copy.set(key, entry);
  copy.write(folder / "copy.gguf");
  CHECK(GgufFile(folder / "copy.gguf").settings() == settings);
}

TEST_CASE(
    "gguf: rows that no blocks fill, and weights that a format cannot hold, are refused; nothing is left") {
  const TemporaryFolder folder;
  GgufContent narrow;
  for (const char* dtype : {"Q4_K", "BF16", "I8", "Q9"})
    CHECK(error_of([&] {
            narrow.add("w", {2, 256}, dtype, {});
          }) == concat("gguf: ", dtype, " is not written; expected F32, F16, Q8_0 or Q4_0"));
  CHECK(error_of([&] {
          narrow.add("w", {2, 33}, "Q8_0", {});
        }) == "w: rows of 33 weights are not whole blocks of 32, as Q8_0 needs them; choose F16");
  for (const auto& [dtype, bad] :
       std::vector<std::pair<const char*, float>>{{"F32", std::numeric_limits<float>::quiet_NaN()},
                                                  {"F16", 65520},
                                                  {"Q4_0", 1e6f},
                                                  {"Q8_0", 1e9f}}) {
    INFO(dtype);
    GgufContent content;
    content.add("w", {3, 32}, dtype, [&](int64_t row, float* out) {
      std::fill_n(out, 32, 1.0f);
      if (row == 2) out[31] = bad;
    });
    CHECK(error_of([&] {
            content.write(folder / "x.gguf");
          }).ends_with(concat("tensor w has a weight that is no finite number of ", dtype, ", in row 2")));
    CHECK(std::filesystem::is_empty(folder.path()));
  }
}

TEST_CASE("gguf: files that lie are refused before anything of their size is made") {
  CHECK(what_is_wrong("") == "is no GGUF file: it does not begin with \"GGUF\"");
  CHECK(what_is_wrong("GGML" + std::string(40, '\0')).starts_with("is no GGUF file"));
  CHECK(what_is_wrong(head(0, 0, 1)) == "is GGUF version 1, expected 2 or 3");
  CHECK(what_is_wrong(head(0, 0, 0x03000000)) == "is GGUF version of a big-endian machine, expected 2 or 3");
  CHECK(what_is_wrong(head(0, 0, 2)) == "no error");
  CHECK(
      what_is_wrong(head(0, uint64_t{1} << 60)).starts_with("says that 1152921504606846976 settings follow"));
  CHECK(
      what_is_wrong(head(uint64_t{1} << 60, 0)).starts_with("says that 1152921504606846976 tensors follow"));
  CHECK(what_is_wrong(head(0, 1) + raw(uint64_t{1} << 62) + "abcdefgh").find("cut short?") !=
        std::string::npos);

  const std::string key = raw(std::string("k"));
  CHECK(what_is_wrong(head(0, 1) + key + raw(uint32_t{13}) + raw(uint64_t{0}))
            .ends_with("expected one of 0 to 12"));
  CHECK(what_is_wrong(head(0, 1) + key + raw(uint32_t{9}) + raw(uint32_t{4}) + raw(uint64_t{1} << 61))
            .starts_with("says that 2305843009213693952 values of setting \"k\" follow"));
  CHECK(what_is_wrong(head(0, 1) + key + raw(uint32_t{9}) + raw(uint32_t{9}) + raw(uint64_t{1}) +
                      raw(uint32_t{4}) + raw(uint64_t{0}))
            .find("array of arrays") != std::string::npos);
  const std::string flag = key + raw(uint32_t{4}) + raw(uint32_t{1});
  CHECK(what_is_wrong(head(0, 2) + flag + flag) == "setting \"k\" comes twice");
  CHECK(
      what_is_wrong(head(0, 1) + raw(std::string("general.alignment")) + raw(uint32_t{4}) + raw(uint32_t{24}))
          .starts_with("general.alignment is 24, expected a power of two"));
}

TEST_CASE("gguf: a tensor's line is held against the bytes of the file") {
  const auto one = [](const std::vector<uint64_t>& sizes, uint32_t type, uint64_t offset, size_t data) {
    return what_is_wrong(with_data(head(1, 0) + line("w", sizes, type, offset), data));
  };
  CHECK(one({4, 2}, 0, 0, 32) == "no error");
  CHECK(one({4, 2}, 0, 0, 31).find("takes 32 bytes from byte 0 on, but the data are 31 bytes") !=
        std::string::npos);
  CHECK(one({4, 2}, 0, 32, 32).find("from byte 32 on") != std::string::npos);
  CHECK(one({4, 2}, 0, 4, 64).find("begins at byte 4") != std::string::npos);
  CHECK(one({1, 1, 1, 1, 1}, 0, 0, 32).find("5 dimensions") != std::string::npos);
  CHECK(one({uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0, 32).find("more elements") != std::string::npos);
  CHECK(one({uint64_t{1} << 62}, 0, 0, 32).find("more bytes") != std::string::npos);
  CHECK(one({31, 2}, 2, 0, 64) ==
        "tensor \"w\": rows of 31 elements are not whole blocks of 32, as Q4_0 has them");
  CHECK(
      one({256}, 10, 0, 256) ==
      "tensor \"w\" is Q2_K, which is not read; expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, "
      "Q5_K, Q6_K");
  CHECK(one({256}, 4711, 0, 256).find("format 4711") != std::string::npos);

  const auto two = [](const std::string& second, uint64_t offset) {
    return what_is_wrong(with_data(head(2, 0) + line("v", {16}, 0, 0) + line(second, {8}, 0, offset), 96));
  };
  CHECK(two("w", 64) == "no error");
  CHECK(two("w", 32) == "tensors \"v\" and \"w\" overlap");
  CHECK(two("v", 64) == "tensor \"v\" comes twice");
}

TEST_CASE("gguf: a file is one by its ending or by how it begins") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "folder.gguf");
  for (const auto& [name, content] : std::vector<std::pair<std::string, std::string>>{
           {"sha256-0123", "GGUF..."}, {"X.GGUF", "GGUF"}, {"x.gguf", ""}, {"GGUF", "GGU"}, {"x", "gguf"}})
    write_file(folder / name, content);
  for (const char* name : {"sha256-0123", "X.GGUF", "x.gguf"}) CHECK(is_gguf(folder / name));
  for (const char* name : {"GGUF", "x", "none", "none.gguf", "folder.gguf", "x/below.gguf"})
    CHECK(!is_gguf(folder / name));
}
