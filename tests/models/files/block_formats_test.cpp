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
