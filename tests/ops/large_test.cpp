// Tensors of more than 2^31 elements, where an offset in 32 bits goes wrong: each op's kernels, held to the
// CPU in the last rows. Inputs are zeros but for these, so that a device needs no time to speak of. On a GPU
// each case runs where its memory suffices. The emulator runs only the last blocks of each kernel
// (CUEMU_LAST_BLOCKS), and memory that nobody touches costs it nothing: the kernels' addresses, with sizes
// and without memory.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "core/accumulate.h"
#include "core/device.h"
#include "nn/patterns/pattern.h"
#include "ops/adamw.h"
#include "ops/add_bias.h"
#include "ops/attention.h"
#include "ops/cast.h"
#include "ops/columns.h"
#include "ops/dropout.h"
#include "ops/embedding.h"
#include "ops/linear_cross_entropy.h"
#include "ops/matmul.h"
#include "ops/mul.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/row_groups.h"
#include "ops/sigmoid.h"
#include "ops/softmax.h"
#include "ops/sum.h"
#include "ops/swiglu.h"
#include "tests/cuda_emulator/include/cuemu/counters.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

/// 65/64 of 2^31 elements, in rows of 2048: loops in strides of the grid end with the last thread of the last
/// block.
constexpr int64_t kRows = 65 << 14, kWidth = 2048;
static_assert(kRows * kWidth > INT64_C(1) << 31);

/// The devices that have room for so much. While it lives, fresh memory is left as it is: NaN in all of it
/// would take a CPU minutes.
class WithMemory {
 public:
  explicit WithMemory(double gigabytes) {
    for (const Device device : other_devices()) {
      Tensor::zeros({1}, DType::f32, device).item();  // what was given back is free once the queue has run
      const double available = static_cast<double>(available_memory(device)) / 1e9;
      if (available >= gigabytes)
        devices_.push_back(device);
      else
        MESSAGE("not run: wants " << gigabytes << " GB of the device's memory, " << available << " are free");
    }
    fill_fresh_storage_with_nan(false);
  }
  ~WithMemory() { fill_fresh_storage_with_nan(std::getenv("SCCA_TESTS_WITHOUT_NAN") == nullptr); }
  auto begin() const { return devices_.begin(); }
  auto end() const { return devices_.end(); }

 private:
  std::vector<Device> devices_;
};

/// Zeros of this shape on the device, whose last rows are `end`.
Tensor ending_with(const Tensor& end, Shape shape, Device device) {
  Tensor all = Tensor::zeros(std::move(shape), end.dtype(), device);
  all.rows(all.size(0) - end.size(0), end.size(0)).copy_from(end);
  return all;
}
Tensor large(const Tensor& end, Device device) { return ending_with(end, {kRows, kWidth}, device); }
Tensor large(DType dtype, Device device) { return Tensor::zeros({kRows, kWidth}, dtype, device); }

Tensor some(uint64_t seed, DType dtype = DType::bf16) { return random_tensor({1, kWidth}, dtype, seed); }

/// As many of the last rows as `expected` has, in bf16's precision of the largest.
void check_end(const Tensor& found, const Tensor& expected, int64_t from_column = 0) {
  const int64_t rows = expected.size(0), width = expected.numel() / rows;
  const auto a = values(found.rows(found.size(0) - rows, rows)), b = values(expected);
  double largest = 0;
  for (const double x : b) largest = std::max(largest, std::abs(x));
  CHECK(largest > 0);
  for (size_t i = 0; i < b.size(); ++i)
    if (static_cast<int64_t>(i) % width >= from_column && !(std::abs(a[i] - b[i]) <= largest / 128)) {
      FAIL_CHECK("element " << i << " of the last rows is " << a[i] << ", on the CPU " << b[i]);
      return;
    }
}

}  // namespace

TEST_CASE("large: element by element") {
  for (const Device device : WithMemory(23)) {
    const Tensor a = some(1), b = some(2), dy = some(3);
    const Tensor large_a = large(a, device), large_b = large(b, device);
    Tensor y = large(DType::bf16, device), small = Tensor::zeros({1, kWidth}, DType::bf16);
    SCCA_ON_DEVICE(device, add_out_of_place(large_a, large_b, y));
    cpu::add_out_of_place(a, b, small);
    check_end(y, small);
    SCCA_ON_DEVICE(device, swiglu_forward(large_a, large_b, y));
    cpu::swiglu_forward(a, b, small);
    check_end(y, small);
    y.rows(kRows - 1, 1).copy_from(dy);
    Tensor dgate = large(DType::bf16, device), dup = large(DType::bf16, device), small_dup = small.clone();
    SCCA_ON_DEVICE(device, swiglu_backward(large_a, large_b, y, dgate, dup));
    cpu::swiglu_backward(a, b, dy, small, small_dup);
    check_end(dgate, small);
    check_end(dup, small_dup);
  }
}

TEST_CASE("large: products, a factor a row, sigmoids and columns") {
  for (const Device device : WithMemory(14)) {
    const Tensor a = some(1), b = some(2), factor = Tensor::full({1, 1}, 3, DType::bf16);
    const Tensor large_a = large(a, device), large_b = large(b, device),
                 large_factor = ending_with(factor, {kRows, 1}, device);
    Tensor y = large(DType::bf16, device), small = Tensor::zeros({1, kWidth}, DType::bf16);
    SCCA_ON_DEVICE(device, multiply(large_a, large_b, y));
    cpu::multiply(a, b, small);
    check_end(y, small);
    SCCA_ON_DEVICE(device, multiply(large_a, large_factor, y));
    cpu::multiply(a, factor, small);
    check_end(y, small);
    SCCA_ON_DEVICE(device, sigmoid_forward(large_a, y));
    cpu::sigmoid_forward(a, small);
    check_end(y, small);
    Tensor dx = small.clone();
    SCCA_ON_DEVICE(device, sigmoid_backward(large_a, large_b, y));
    cpu::sigmoid_backward(a, b, dx);
    check_end(y, dx);
    Tensor dots = Tensor::zeros({kRows, 1}, DType::bf16, device), small_dots = factor.clone();
    SCCA_ON_DEVICE(device, row_dots(large_a, large_b, dots));
    cpu::row_dots(a, b, small_dots);
    check_end(dots, small_dots);
    const int64_t half = kWidth / 2;  // to an odd place: one element at a time
    SCCA_ON_DEVICE(device, copy_columns(large_a, {kWidth, half}, y, {kWidth, half - 1}, kRows, half));
    cpu::copy_columns(a, {kWidth, half}, dx, {kWidth, half - 1}, 1, half);
    check_end(y, dx);
  }
}

TEST_CASE("large: softmax and sums of rows") {
  for (const Device device : WithMemory(14)) {
    const Tensor x = some(1), dy = some(2), three = Tensor::full({1, 1}, 3, DType::bf16);
    const Tensor large_x = large(x, device), large_dy = large(dy, device);
    Tensor y = large(DType::bf16, device), small = x.clone();
    SCCA_ON_DEVICE(device, softmax_forward(large_x, y));
    cpu::softmax_forward(x, small);
    check_end(y, small);
    SCCA_ON_DEVICE(device, softmax_backward(large_x, large_dy, y));
    cpu::softmax_backward(x, dy, small);
    check_end(y, small);
    Tensor sums = Tensor::zeros({kRows, 1}, DType::f32, device), small_sum = Tensor::zeros({1, 1});
    SCCA_ON_DEVICE(device, sum_pieces(large_x, kWidth, sums));
    cpu::sum_pieces(x, kWidth, small_sum);
    check_end(sums, small_sum);
    const Tensor large_three = ending_with(three, {kRows, 1}, device);
    SCCA_ON_DEVICE(device, spread_pieces(large_three, kWidth, y));
    cpu::spread_pieces(three, kWidth, small);
    check_end(y, small);
  }
}

TEST_CASE("large: casts, and the scale of the loss's gradient") {
  for (const Device device : WithMemory(18)) {
    const Tensor x = some(1, DType::f32), one = Tensor::full({1}, 3, DType::f32, device);
    const Tensor large_x = large(x, device);
    Tensor y = large(DType::bf16, device), small = cast(x, DType::bf16);
    SCCA_ON_DEVICE(device, convert(large_x, y));
    check_end(y, small);
    SCCA_ON_DEVICE(device, scale_gradient(one, y));
    cpu::scale_gradient(Tensor::full({1}, 3), small);
    check_end(y, small);
  }
}

TEST_CASE("large: dropout draws by an element's own number") {
  for (const Device device : WithMemory(9)) {
    Tensor y = large(some(1), device);
    const RandomState draw{5, 6};
    SCCA_ON_DEVICE(device, dropout_mask(y, 0.5, draw, y));
    const auto found = values(y.rows(kRows - 1, 1)), x = values(some(1));
    for (size_t i = 0; i < x.size(); ++i) {
      const auto element = static_cast<uint64_t>((kRows - 1) * kWidth) + i;
      const bool kept = uniform01(philox(draw.seed, element / 4, draw.draw)[element % 4]) >= 0.5f;
      REQUIRE(found[i] == (kept ? 2 * x[i] : 0));
    }
  }
}

TEST_CASE("large: rms_norm") {
  for (const Device device : WithMemory(14)) {
    const Tensor x = some(1), dy = some(2), weight = random_tensor({kWidth}, DType::bf16, 3),
                 on_device = weight.to(device);
    const Tensor large_x = large(x, device);
    Tensor y = large(DType::bf16, device), scale = Tensor::zeros({kRows}, DType::f32, device);
    Tensor small = Tensor::zeros({1, kWidth}, DType::bf16), small_scale = Tensor::zeros({1}),
           dweight = Tensor::zeros({kWidth}, DType::bf16, device),
           small_dweight = Tensor::zeros({kWidth}, DType::bf16);
    SCCA_ON_DEVICE(device, rms_norm_forward(large_x, on_device, 1e-5, y, scale));
    cpu::rms_norm_forward(x, weight, 1e-5, small, small_scale);
    check_end(y, small);
    y.rows(kRows - 1, 1).copy_from(dy);
    Tensor dx = large(DType::bf16, device);
    Tensor sums = row_group_sums(large_x), small_sums = row_group_sums(x);
    SCCA_ON_DEVICE(device, rms_norm_backward(large_x, on_device, scale, y, dx, dweight, sums));
    cpu::rms_norm_backward(x, weight, small_scale, dy, small, small_dweight, small_sums);
    check_end(dx, small);
    // the last block's columns
    check_end(dweight.reshape({1, kWidth}), small_dweight.reshape({1, kWidth}), kWidth - 256);
  }
}

TEST_CASE("large: add_bias") {
  for (const Device device : WithMemory(9)) {
    const Tensor x = some(1), bias = random_tensor({kWidth}, DType::bf16, 2), on_device = bias.to(device);
    Tensor y = large(x, device), small = Tensor::zeros({1, kWidth}, DType::bf16);
    SCCA_ON_DEVICE(device, add_bias_forward(y, on_device, y));
    cpu::add_bias_forward(x, bias, small);
    check_end(y, small);
    const Tensor dy = large(x, device);
    Tensor dbias = Tensor::zeros({kWidth}, DType::bf16, device),
           small_dbias = Tensor::zeros({kWidth}, DType::bf16);
    Tensor sums = row_group_sums(dy), small_sums = row_group_sums(x);
    SCCA_ON_DEVICE(device, add_bias_backward(dy, dbias, sums));
    cpu::add_bias_backward(x, small_dbias, small_sums);
    // the last block's columns
    check_end(dbias.reshape({1, kWidth}), small_dbias.reshape({1, kWidth}), kWidth - 256);
  }
}

TEST_CASE("large: rope") {
  for (const Device device : WithMemory(9)) {
    const int64_t tokens = 1024, heads = 16, width = 128, batch = kRows / tokens;
    const std::vector<double> frequencies(64, 0.01);
    const RopeTable table = rope_table(frequencies, tokens),
                    on_device{table.cos.to(device), table.sin.to(device)};
    const Tensor x = some(1);
    Tensor y = large(x, device).reshape({batch, tokens, heads, width});
    SCCA_ON_DEVICE(device, rope_rotate(y, on_device, 0, 1, y));
    Tensor small = x.clone().reshape({1, 1, heads, width});
    cpu::rope_rotate(small, table, tokens - 1, 1, small);
    check_end(y.reshape({kRows, kWidth}), small.reshape({1, kWidth}));
  }
}

TEST_CASE("large: embedding, of many tokens and of many ids") {
  for (const Device device : WithMemory(9)) {
    const Tensor row = some(1);
    {
      Tensor ids = Tensor::zeros({kRows}, DType::i32), y = large(DType::bf16, device);
      ids.data<int32_t>()[kRows - 1] = 2;
      const Tensor table = ending_with(row, {3, kWidth}, device), ids_there = ids.to(device);
      SCCA_ON_DEVICE(device, embedding_forward(ids_there, table, y));
      check_end(y, row);
    }
    {
      Tensor y = Tensor::zeros({1, kWidth}, DType::bf16, device), dtable = large(DType::bf16, device);
      dtable.rows(kRows - 1, 1).copy_from(row);
      const auto last = static_cast<int32_t>(kRows - 1);
      const Tensor id = Tensor::of<int32_t>({last}, {1}).to(device);
      SCCA_ON_DEVICE(device, embedding_forward(id, dtable, y));
      check_end(y, row);
      const Tensor dy = some(2), dy_there = dy.to(device);
      EmbeddingWorkspace workspace = embedding_workspace(1, dtable);
      SCCA_ON_DEVICE(device, embedding_backward({{0}, {0, 1}, {last}}, dy_there, dtable, workspace));
      check_end(dtable, dy);
    }
    // The gradient of many tokens, the last of them the only one of its id.
    const Tensor dy = large(row, device);
    Tensor dtable = Tensor::zeros({3, kWidth}, DType::bf16, device);
    TokenRuns runs{{}, {0, static_cast<int32_t>(kRows - 1), static_cast<int32_t>(kRows)}, {0, 2}};
    for (int32_t i = 0; i < kRows; ++i) runs.positions.push_back(i);
    EmbeddingWorkspace workspace = embedding_workspace(kRows, dtable);
    SCCA_ON_DEVICE(device, embedding_backward(runs, dy, dtable, workspace));
    check_end(dtable, row);
  }
}

TEST_CASE("large: the loss of each row") {
  for (const Device device : WithMemory(9)) {
    const Tensor x = some(1, DType::f32);
    Tensor logits = large(x, device), losses = Tensor::zeros({kRows, 1}, DType::f32, device),
           small = x.clone(), small_loss = Tensor::zeros({1, 1});
    Tensor targets = Tensor::zeros({kRows}, DType::i32);
    targets.data<int32_t>()[kRows - 1] = 1234;
    const Tensor targets_there = targets.to(device);
    SCCA_ON_DEVICE(device, softmax_losses(logits, targets_there, -100, 1, losses));
    cpu::softmax_losses(small, Tensor::of<int32_t>({1234}, {1}), -100, 1, small_loss);
    check_end(logits, small);
    check_end(losses, small_loss);
  }
}

TEST_CASE("large: attention") {
  const int64_t heads = 16, width = kWidth / heads, chunk = 64;
  const auto plan_of = [&](int64_t tokens) {
    return AttentionPlan{tokens, true,
                         parse_pattern(concat("local(chunk=", chunk, ")"))->plan({tokens, heads})};
  };
  const auto rows = [&](uint64_t seed, int64_t of_heads) {
    return random_tensor({chunk, of_heads * width}, DType::bf16, seed);
  };
  const auto small = [&](const Tensor& t) {
    return t.clone().reshape({1, t.size(0), t.size(1) / width, width});
  };
  // The last chunk sees nothing but itself: on the CPU it is a text of its own.
  for (const int64_t key_heads : {heads, heads / 2}) {
    CAPTURE(key_heads);
    const bool backward_too = key_heads < heads;  // whose key gradients are summed over query heads, in f32
    for (const Device device : WithMemory(backward_too ? 45 : 18)) {
      const auto plan = plan_of(kRows), small_plan = plan_of(chunk);
      const auto grown = [&](const Tensor& end) {
        return ending_with(end, {kRows, end.size(1)}, device).reshape({1, kRows, end.size(1) / width, width});
      };
      const auto end_of = [&](const Tensor& t, const Tensor& expected) {
        check_end(t.reshape({kRows, t.size(2) * width}), expected.reshape({chunk, t.size(2) * width}));
      };
      const Tensor q = rows(1, heads), k = rows(2, key_heads), v = rows(3, key_heads), dout = rows(4, heads);
      const Tensor large_q = grown(q), large_k = grown(k), large_v = grown(v);
      const Tensor small_q = small(q), small_k = small(k), small_v = small(v), small_dout = small(dout);
      const AttentionInput in{large_q, large_k, large_v, plan, 0.1},
          small_in{small_q, small_k, small_v, small_plan, 0.1};
      AttentionOutput result{Tensor::zeros(large_q.shape(), DType::bf16, device),
                             Tensor::zeros({1, heads, kRows}, DType::f32, device)},
          small_result{small(q), Tensor::zeros({1, heads, chunk})};
      AttentionWorkspace forward = forward_workspace(in), small_forward = forward_workspace(small_in);
      SCCA_ON_DEVICE(device, attention_forward(in, result, forward));
      cpu::attention_forward(small_in, small_result, small_forward);
      end_of(result.out, small_result.out);
      if (!backward_too) continue;
      const Tensor large_dout = grown(dout);
      AttentionGradients d{Tensor::zeros(large_q.shape(), DType::bf16, device),
                           Tensor::zeros(large_k.shape(), DType::bf16, device),
                           Tensor::zeros(large_k.shape(), DType::bf16, device)},
          small_d{small(q), small(k), small(v)};
      AttentionWorkspace backward = backward_workspace(in, d),
                         small_backward = backward_workspace(small_in, small_d);
      SCCA_ON_DEVICE(device, attention_backward(in, result, large_dout, d, backward));
      cpu::attention_backward(small_in, small_result, small_dout, small_d, small_backward);
      end_of(d.q, small_d.q);
      end_of(d.k, small_d.k);
      end_of(d.v, small_d.v);
    }
  }
}

TEST_CASE("large: adamw and the gradient's norm") {
  for (const Device device : WithMemory(35)) {
    const Tensor w = some(1, DType::f32), grad = some(2, DType::f32), zero = Tensor::zeros({1, kWidth});
    std::vector<AdamWParameter> all{
        {large(w, device), large(grad, device), large(DType::f32, device), large(DType::f32, device)}},
        few{{w.clone(), grad.clone(), zero.clone(), zero.clone()}};
    const AdamWOptions options{.lr = 0.1, .weight_decay = 0.1};
    adamw_step(all, options, 1, 0.5);
    adamw_step(few, options, 1, 0.5);
    check_end(all[0].parameter, few[0].parameter);
    check_end(all[0].m, few[0].m);
    check_end(all[0].v, few[0].v);
    const std::vector<Tensor> grads{all[0].grad}, few_grads{grad};
    CHECK(gradient_norm(grads) == doctest::Approx(gradient_norm(few_grads)));
  }
}

TEST_CASE("large: matrix products") {
  if (cuemu_counters != nullptr) return;  // cuBLAS's part, and the emulator's cuBLAS is a loop on the host
  for (const Device device : WithMemory(10)) {
    const Tensor row = some(1), narrow = random_tensor({kWidth, 8}, DType::bf16, 2),
                 eight = random_tensor({1, 8}, DType::bf16, 3);
    Tensor a = large(row, device), c = Tensor::zeros({kRows, 8}, DType::bf16, device),
           small = Tensor::zeros({1, 8}, DType::bf16), wide = Tensor::zeros({1, kWidth}, DType::bf16);
    matmul_into(a, narrow.to(device), c);
    matmul_into(row, narrow, small);
    check_end(c, small);
    c.rows(kRows - 1, 1).copy_from(eight);
    matmul_into(c, narrow.to(device), a, {.transpose_b = true});
    matmul_into(eight, narrow, wide, {.transpose_b = true});
    check_end(a, wide);
  }
}
