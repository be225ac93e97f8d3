// ggml's formats are held against the gguf library in models/files/block_formats_test.cpp.
#include "ops/dequantize.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ops/block_formats.h"
#include "ops/cast.h"
#include "tests/op_check.h"
#include "tests/ops/random_blocks.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("dequantize: any rows, by their place or by ids, are those of the whole") {
  const Tensor ids = Tensor::of<int32_t>({4, 0, 4, 2}, {4});
  for (const DType dtype : kBlockDTypes) {
    INFO(std::string(name_of(dtype)));
    for (const int64_t width : {256, 768}) {
      const Tensor blocks = random_blocks({5, width}, dtype, 3);
      const Tensor whole = cast(blocks, DType::f32);
      CHECK(whole.shape() == blocks.shape());
      const std::vector<double> numbers = values(whole);
      for (const DType as : {DType::f32, DType::f64, DType::bf16}) {
        Tensor some = Tensor::empty({3, width}, as), named = Tensor::empty({4, width}, as);
        cpu::dequantize(blocks, 2, 0, some);
        cpu::dequantize_rows(ids, blocks, named);
        CHECK(same_bits(some, cast(whole.rows(2, 3), as)));
        Tensor part = Tensor::empty({3, 96}, as);  // columns 32 to 127
        cpu::dequantize(blocks, 1, 32, part);
        for (int64_t row = 0; row < 3; ++row) {
          const Tensor of_row = cast(whole.rows(1 + row, 1), as).reshape({width});
          CHECK(same_bits(part.rows(row, 1).reshape({96}), of_row.rows(32, 96)));
        }
        for (int64_t i = 0; i < 4; ++i)
          CHECK(same_bits(named.rows(i, 1), cast(whole.rows(ids.data<int32_t>()[i], 1), as)));
      }
    }
  }
}

TEST_CASE("dequantize: on other devices, to the bit") {
  const Tensor ids = Tensor::of<int32_t>({32, 0, 7}, {3});
  for (const Device device : other_devices()) {
    for (const DType dtype : kBlockDTypes) {
      INFO(std::string(name_of(dtype)));
      const Tensor blocks = random_blocks({33, 768}, dtype, 5), there = blocks.to(device);
      for (const DType as : {DType::f32, DType::bf16}) {
        Tensor here = Tensor::empty({31, 768}, as), named = Tensor::empty({3, 768}, as);
        cpu::dequantize(blocks, 2, 0, here);
        cpu::dequantize_rows(ids, blocks, named);
        Tensor some = Tensor::empty({31, 768}, as, device), other = Tensor::empty({3, 768}, as, device);
        SCCA_ON_DEVICE(device, dequantize(there, 2, 0, some));
        const Tensor ids_there = ids.to(device);
        SCCA_ON_DEVICE(device, dequantize_rows(ids_there, there, other));
        CHECK(same_bits(some.to(Device::cpu), here));
        Tensor part = Tensor::empty({2, 64}, as), part_there = Tensor::empty({2, 64}, as, device);
        cpu::dequantize(blocks, 3, 160, part);
        SCCA_ON_DEVICE(device, dequantize(there, 3, 160, part_there));
        CHECK(same_bits(part_there.to(Device::cpu), part));
        CHECK(same_bits(other.to(Device::cpu), named));
      }
    }
  }
}

namespace {

/// The value below which a normal variable lies with this probability, by halving.
double normal_quantile(double probability) {
  double low = -10, high = 10;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < probability ? low : high) = middle;
  }
  return low;
}

}  // namespace

TEST_CASE("block formats: NF4's levels are the quantiles that QLoRA takes") {
  // Appendix E: eight above 0 and seven below, evenly spaced in probability between 1/2 and this, over the
  // largest.
  constexpr double offset = 0.9677083;
  const double largest = normal_quantile(offset);
  for (int i = 0; i < 8; ++i)
    CHECK(std::abs(blocks::Nf4::level(15 - i) - normal_quantile(offset + (0.5 - offset) * i / 8) / largest) <
          1e-6);
  for (int i = 0; i < 7; ++i)
    CHECK(std::abs(blocks::Nf4::level(i) + normal_quantile(offset + (0.5 - offset) * i / 7) / largest) <
          1e-6);
  CHECK(blocks::Nf4::level(7) == 0);
}

TEST_CASE("block formats: NF4, byte by byte") {
  Tensor row = Tensor::zeros({1, 128}, DType::nf4);
  std::byte* bytes = row.raw();
  REQUIRE(row.bytes() == 4 + 2 * 33);
  const float scale = 0.25f;
  std::memcpy(bytes, &scale, sizeof scale);
  std::byte* second = bytes + 4 + 33;
  second[0] = std::byte{3};               // the block's largest: 0.25 * 3^2
  second[1 + 5] = std::byte{0x0f};        // weights 5 and 21
  second[1 + 16 + 15] = std::byte{0xf0};  // 47 and 63
  const std::vector<double> weights = values(cast(row, DType::f32));
  CHECK(weights[0] == 0);  // by its block's 0, not by its level
  CHECK(weights[64 + 5] == 2.25);
  CHECK(weights[64 + 21] == -2.25);
  CHECK(weights[64 + 47] == -2.25);
  CHECK(weights[64 + 63] == 2.25);
  CHECK(weights[64 + 4] == -2.25);
}
