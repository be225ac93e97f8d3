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

TEST_CASE("block formats: a tensor of blocks takes blocks of its own kind alone") {
  const GgufFile file(kFolder + "blocks.gguf");
  const StoredTensor& stored = file.tensors().at("Q4_1");
  Tensor same = Tensor::empty(stored.shape, DType::q4_1), other = Tensor::empty(stored.shape, DType::q4_0);
  REQUIRE(read_elements(stored, same));
  CHECK(std::memcmp(same.raw(), stored.data, stored.bytes) == 0);
  CHECK_FALSE(read_elements(stored, other));
}
