#include "ops/matmul.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/planning.h"
#include "ops/cast.h"
#include "ops/dnnl_product.h"
#include "ops/matmul_blocks.h"
#include "ops/matmul_row.h"

namespace scca {
namespace {

/// bf16 is widened where the CPU has no such instructions: right everywhere, at the f32 rate. oneDNN gathers
/// the columns of a transposed A; where its rows lie a multiple of 4 KiB apart (a vocabulary of 4096), a
/// column falls into one set of the cache and the product runs at a third of its rate: there we transpose
/// first, as many of its columns at a time as stay in the caches.
MatmulWorkspace workspace_of(const Tensor& a, const Tensor& b, const Tensor& c,
                             const MatmulOptions& options) {
  MatmulWorkspace w;
  const bool widens = a.dtype() == DType::bf16 && !multiplies_bf16(a.device());
  if (a.device() != Device::cpu || (a.dtype() != DType::f32 && !widens)) return w;
  if (cpu::is_one_row(a.size(0), options)) return w;
  if (widens) {
    w.wide_a = Tensor::empty(a.shape());
    w.wide_b = Tensor::empty(b.shape());
    if (c.dtype() != DType::f32) w.wide_c = Tensor::empty(c.shape());
  }
  constexpr int64_t kTurned = int64_t{1} << 21;  // numbers at a time: 8 MB
  const int64_t depth = a.size(0), most = std::max<int64_t>(1024, kTurned / std::max<int64_t>(depth, 1));
  if (options.transpose_a && a.size(1) % 1024 == 0)
    w.turned_a = Tensor::empty({std::min(a.size(1), most / 1024 * 1024), depth});
  return w;
}

thread_local bool same_bits = false;

}  // namespace

SameBitsAtAnyThreadCount::SameBitsAtAnyThreadCount() : before_(same_bits) { same_bits = true; }
SameBitsAtAnyThreadCount::~SameBitsAtAnyThreadCount() { same_bits = before_; }

bool multiplies_bf16(Device device) { return device != Device::cpu || cpu::dnnl_multiplies_bf16(); }

Tensor as_operand(const Tensor& weight, DType dtype) {
  return is_blocks(weight.dtype()) ? weight : cast(weight, dtype);
}

void matmul_into(const Tensor& a, const Tensor& b, Tensor& c, const MatmulOptions& options) {
  SCCA_CHECK(a.rank() == 2 && b.rank() == 2 && c.rank() == 2, "matmul: expected matrices, found ",
             to_string(a.shape()), " x ", to_string(b.shape()), " -> ", to_string(c.shape()));
  const int64_t m = a.size(options.transpose_a ? 1 : 0), k = a.size(options.transpose_a ? 0 : 1);
  const int64_t k_of_b = b.size(options.transpose_b ? 1 : 0), n = b.size(options.transpose_b ? 0 : 1);
  SCCA_CHECK(k == k_of_b && c.size(0) == m && c.size(1) == n, "matmul: ", to_string(a.shape()),
             options.transpose_a ? "^T" : "", " x ", to_string(b.shape()), options.transpose_b ? "^T" : "",
             " does not give ", to_string(c.shape()));
  SCCA_CHECK((a.dtype() == b.dtype() || is_blocks(b.dtype())) &&
                 (a.dtype() == c.dtype() || (a.dtype() == DType::bf16 && c.dtype() == DType::f32)),
             "matmul: dtypes ", name_of(a.dtype()), ", ", name_of(b.dtype()), " and ", name_of(c.dtype()),
             " differ; cast first");
  if (m == 0 || n == 0) return;
  count_flops("matmul", 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
  if (is_blocks(b.dtype())) return matmul_blocks_into(a, b, c, options);
  MatmulWorkspace workspace = workspace_of(a, b, c, options);
  SCCA_ON_DEVICE(a.device(), matmul(a, b, c, options, workspace));
}

namespace cpu {
namespace {

/// One thread, as oneDNN counts them, whether or not others are at work.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Columns of a block: about a sixteenth, and an even number of blocks where one divides, so that two threads
/// end together.
int64_t block_columns(int64_t n) {
  const int64_t least = std::clamp<int64_t>(n / 16 / 16 * 16, 48, 512);
  for (int64_t columns = least; columns < 2 * least; columns += 16)
    if (n % (2 * columns) == 0) return columns;
  return least;
}

/// The whole product: by oneDNN's own division, or in blocks of columns that its shape alone decides.
void run_product(const MatrixView& a, const MatrixView& b, const MatrixView& c,
                 const MatmulOptions& options) {
  const int64_t n = c.columns;
  if (!same_bits) return dnnl_product(a, b, c, options);
  const int64_t width = block_columns(n), blocks = (n + width - 1) / width;
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    const OneThread one;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t from = block * width, count = std::min(width, n - from);
      dnnl_product(a, options.transpose_b ? b.rows_of(from, count) : b.columns_of(from, count),
                   c.columns_of(from, count), options);
    }
  });
}

constexpr int64_t kTile = 16;  // floats in a cache line

/// From a to t = a^T, one tile: through a buffer, so that each cache line is touched once on either side also
/// where rows lie a power of two apart.
void transpose_tile(const float* a, int64_t a_stride, int64_t rows, int64_t cols, float* t,
                    int64_t t_stride) {
  float buffer[kTile * kTile];
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t j = 0; j < cols; ++j) buffer[j * kTile + i] = a[i * a_stride + j];
  }
  for (int64_t j = 0; j < cols; ++j) {
#pragma omp simd
    for (int64_t i = 0; i < rows; ++i) t[j * t_stride + i] = buffer[j * kTile + i];
  }
}

/// t = a^T, dense.
void transpose(const MatrixView& a, float* to) {
  const int64_t rows = a.rows, cols = a.columns, stride = a.stride;
  const float* from = a.data<float>();
  parallel_for((cols + kTile - 1) / kTile, 1, [=](int64_t begin, int64_t end) {
    for (int64_t row = 0; row < rows; row += kTile) {
      for (int64_t col = begin * kTile; col < std::min(cols, end * kTile); col += kTile) {
        transpose_tile(from + row * stride + col, stride, std::min(kTile, rows - row),
                       std::min(kTile, cols - col), to + col * rows + row, rows);
      }
    }
  });
}

void matmul_f32(const MatrixPart& a, const Tensor& b, const MatrixPart& c, const MatmulOptions& options,
                Tensor& turned_a) {
  if (!turned_a) return run_product(a, MatrixPart(b), c, options);
  MatmulOptions plain_a = options;
  plain_a.transpose_a = false;
  const MatrixView turned = MatrixPart(turned_a), whole = a, result = c;
  for (int64_t begin = 0; begin < whole.columns; begin += turned.rows) {
    const int64_t count = std::min(turned.rows, whole.columns - begin);
    transpose(whole.columns_of(begin, count), turned_a.data<float>());
    run_product(turned.rows_of(0, count), MatrixPart(b), result.rows_of(begin, count), plain_a);
  }
}

void widen(const Tensor& t, Tensor& wide) {
  const bf16* from = t.data<bf16>();
  float* to = wide.data<float>();
  parallel_for(t.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] = from[i];
  });
}

/// bf16 in, f32 arithmetic, rounded once.
void matmul_bf16(const MatrixPart& a, const Tensor& b, const MatrixPart& c, const MatmulOptions& options,
                 MatmulWorkspace& w) {
  if (!w.wide_a) return run_product(a, MatrixPart(b), c, options);
  widen(a.matrix, w.wide_a);
  widen(b, w.wide_b);
  if (!w.wide_c) return matmul_f32(w.wide_a, w.wide_b, c, options, w.turned_a);
  if (options.accumulate) widen(c.matrix, w.wide_c);
  matmul_f32(w.wide_a, w.wide_b, w.wide_c, options, w.turned_a);
  const float* from = w.wide_c.data<float>();
  Tensor narrow = c.matrix;
  bf16* to = narrow.data<bf16>();
  parallel_for(narrow.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] = bf16(from[i]);
  });
}

/// The definition, in f64: a plain loop (oneDNN has no f64), for exact gradient checks.
void matmul_f64(const MatrixView& a, const MatrixView& b, const MatrixView& c, const MatmulOptions& options) {
  const int64_t n = c.columns, k = options.transpose_a ? a.rows : a.columns;
  const int64_t a_row = options.transpose_a ? 1 : a.stride, a_col = options.transpose_a ? a.stride : 1;
  const int64_t b_row = options.transpose_b ? 1 : b.stride, b_col = options.transpose_b ? b.stride : 1;
  const double *x = a.data<double>(), *y = b.data<double>();
  auto* out = const_cast<double*>(c.data<double>());
  parallel_for(c.rows, 1, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p) sum += x[i * a_row + p * a_col] * y[p * b_row + j * b_col];
        double& to = out[i * c.stride + j];
        to = options.scale * sum + (options.accumulate ? to : 0.0);
      }
    }
  });
}

}  // namespace

void matmul(const MatrixPart& a, const Tensor& b, MatrixPart c, const MatmulOptions& options,
            MatmulWorkspace& workspace) {
  c.matrix.raw();  // counts as a write
  if (a.matrix.dtype() != DType::f64 && is_one_row(a.matrix.size(0), options))
    return multiply_one_row(a, MatrixPart(b), c, options);
  switch (a.matrix.dtype()) {
    case DType::f32:
      return matmul_f32(a, b, c, options, workspace.turned_a);
    case DType::bf16:
      return matmul_bf16(a, b, c, options, workspace);
    case DType::f64:
      return matmul_f64(a, MatrixPart(b), c, options);
    default:
      fail("matmul: dtype ", name_of(a.matrix.dtype()), ", expected f32, bf16 or f64");
  }
}

}  // namespace cpu
}  // namespace scca
