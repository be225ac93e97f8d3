// Against the gguf library: tests/golden/make_gguf_goldens.py.
#include "models/files/block_formats.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "models/files/gguf.h"
#include "models/files/safetensors.h"
#include "models/weights.h"

using namespace scca;

namespace {
const std::string kFolder = SCCA_SOURCE_DIR "/tests/golden/gguf/";
}

TEST_CASE("block formats: each is read as the gguf library reads it, to the bit") {
  const GgufFile file(kFolder + "blocks.gguf");
  const SafetensorsFile golden(kFolder + "blocks.safetensors");
  REQUIRE(file.tensors().size() == block_formats().size());
  for (const BlockFormat& format : block_formats()) {
    INFO(std::string(format.name));
    const StoredTensor &stored = file.tensors().at(format.name), &expected = golden.tensors().at(format.name);
    CHECK(stored.dtype == format.name);
    REQUIRE(stored.shape == expected.shape);
    Tensor read = Tensor::empty(stored.shape, DType::f32);
    REQUIRE(read_elements(stored, read));
    CHECK(std::memcmp(read.raw(), expected.data, expected.bytes) == 0);
  }
}

TEST_CASE("block formats: Q8_0 and Q4_0 are written as the gguf library writes them, to the byte") {
  const SafetensorsFile golden(kFolder + "encoded.safetensors");
  const StoredTensor& w = golden.tensors().at("w");
  std::vector<float> weights(static_cast<size_t>(numel(w.shape)));
  std::memcpy(weights.data(), w.data, w.bytes);
  for (const char* name : {"Q8_0", "Q4_0"}) {
    INFO(std::string(name));
    const BlockFormat& format = *block_format(name);
    REQUIRE(static_cast<bool>(format.encode));
    std::vector<std::byte> bytes(weights.size() / static_cast<size_t>(format.weights) * format.bytes);
    std::byte* out = bytes.data();
    for (size_t i = 0; i < weights.size(); i += static_cast<size_t>(format.weights), out += format.bytes)
      format.encode(weights.data() + i, out);
    const StoredTensor& expected = golden.tensors().at(name);
    REQUIRE(bytes.size() == expected.bytes);
    CHECK(std::memcmp(bytes.data(), expected.data, bytes.size()) == 0);
  }
}
