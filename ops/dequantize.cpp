#include "ops/dequantize.h"

#include <algorithm>
#include <type_traits>

#include "core/parallel.h"
#include "ops/block_registers.h"

namespace scca {
namespace {

/// `count` weights of a row from `begin` on.
template <class Format, class To>
void decode_row(const std::byte* row, int64_t begin, int64_t count, To* to) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(row);
  for (int64_t run = begin / blocks::kRun; run < (begin + count) / blocks::kRun; ++run, to += blocks::kRun) {
    if constexpr (std::is_same_v<To, double>) {
      float weights[blocks::kRun];
      blocks::decode<Format>(bytes, run, weights);
      std::copy_n(weights, blocks::kRun, to);
    } else {
      blocks::for_each_register<Format>(
          bytes, run, [&](int first, simd::floats weights) { simd::store(to + first, weights); });
    }
  }
}

/// Row i of `rows` from row source(i) of `blocks`, from `column` on.
template <class Source>
void decode_rows(const Tensor& blocks, int64_t column, Tensor& rows, const Source& source) {
  const int64_t width = rows.size(-1);
  const auto bytes = static_cast<int64_t>(row_bytes(blocks.dtype(), blocks.size(1)));
  const std::byte* from = blocks.raw();
  blocks::visit(blocks.dtype(), "dequantize", [&]<class Format>() {
    visit_float(rows.dtype(), "dequantize", [&]<class To>() {
      To* to = rows.data<To>();
      const int64_t grain = std::max<int64_t>(1, kElementwiseGrain / std::max<int64_t>(width, 1));
      parallel_for(width ? rows.numel() / width : 0, grain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          decode_row<Format>(from + source(i) * bytes, column, width, to + i * width);
      });
    });
  });
}

}  // namespace

template <class To>
void dequantize_row(DType dtype, const std::byte* row, int64_t count, To* to) {
  blocks::visit(dtype, "dequantize", [&]<class Format>() { decode_row<Format>(row, 0, count, to); });
}
template void dequantize_row(DType, const std::byte*, int64_t, float*);
template void dequantize_row(DType, const std::byte*, int64_t, double*);
template void dequantize_row(DType, const std::byte*, int64_t, bf16*);

namespace cpu {

void dequantize(const Tensor& blocks, int64_t first, int64_t column, Tensor& rows) {
  decode_rows(blocks, column, rows, [first](int64_t i) { return first + i; });
}

void dequantize_rows(const Tensor& ids, const Tensor& blocks, Tensor& rows) {
  const int32_t* id = ids.data<int32_t>();
  decode_rows(blocks, 0, rows, [id](int64_t i) { return int64_t{id[i]}; });
}

}  // namespace cpu
}  // namespace scca
