#include "ops/linear_cross_entropy.h"

#include <cmath>
#include <limits>

#include "core/autograd.h"
#include "core/parallel.h"
#include "core/simd.h"
#include "ops/cast.h"
#include "ops/matmul.h"

namespace scca {
namespace {

struct LinearCrossEntropyNode : Node {
  const char* name() const override { return "linear_cross_entropy"; }

  std::vector<Tensor> backward(Tensor grad) override {
    for (Tensor* d : {&dhidden, &dweight}) {
      if (*d) SCCA_ON_DEVICE(grad.device(), scale_gradient(grad, *d));
    }
    return {std::move(dhidden), std::move(dweight)};
  }

  Tensor dhidden, dweight;
};

/// What one call works on. hidden and weight are matrices; `operand` is the dtype that products take them in.
struct Problem {
  Tensor hidden, weight, targets;
  int64_t ignore_index = -100, count = 0;
  DType operand = DType::f32;

  DType arithmetic() const { return operand == DType::f64 ? DType::f64 : DType::f32; }
};

/// How many targets are not ignored.
int64_t count_targets(const char* op, const Tensor& targets, int64_t ignore_index, int64_t vocabulary) {
  if (!targets.has_values()) return targets.numel();
  const int32_t* target = targets.data<int32_t>();
  int64_t count = 0;
  for (int64_t i = 0; i < targets.numel(); ++i) {
    if (target[i] == ignore_index) continue;
    SCCA_CHECK(target[i] >= 0 && target[i] < vocabulary, op, ": target ", target[i], " at position ", i,
               " is outside the vocabulary of ", vocabulary, " and is not the ignored ", ignore_index);
    ++count;
  }
  return count;
}

Problem checked(const char* op, const Tensor& hidden, const Tensor& weight, const Tensor& targets,
                int64_t ignore_index) {
  SCCA_CHECK(hidden.rank() >= 1 && weight.rank() == 2 && hidden.size(-1) == weight.size(1), op,
             ": hidden is ", to_string(hidden.shape()), ", weight is ", to_string(weight.shape()),
             "; hidden's last size must be weight's second");
  const int64_t rows = hidden.numel() / std::max<int64_t>(hidden.size(-1), 1);
  SCCA_CHECK(targets.dtype() == DType::i32 && targets.device() == Device::cpu && targets.numel() == rows, op,
             ": targets are ", to_string(targets.shape()), " ", name_of(targets.dtype()), " on ",
             name_of(targets.device()), ", expected ", rows, " of i32 on cpu, one per row of hidden ",
             to_string(hidden.shape()));
  const bool blocks = is_blocks(weight.dtype());
  SCCA_CHECK(blocks || (hidden.dtype() == DType::f64) == (weight.dtype() == DType::f64), op, ": hidden is ",
             name_of(hidden.dtype()), ", weight is ", name_of(weight.dtype()), "; f64 goes with f64 only");
  const Device device = hidden.device();
  // a CPU without bf16's products multiplies in f32: there the weight is widened once, not once a chunk
  const bool bf16_products = hidden.dtype() == DType::bf16 && multiplies_bf16(device);
  const DType operand = hidden.dtype() == DType::f64 ? DType::f64 : bf16_products ? DType::bf16 : DType::f32;
  NoGrad no_grad;
  return {hidden.reshape({rows, hidden.size(-1)}).detach(),
          as_operand(weight.detach(), operand),
          targets.to(device).reshape({rows}),
          ignore_index,
          count_targets(op, targets, ignore_index, weight.size(0)),
          operand};
}

/// Losses per token, and with `mean_scale` (1 / count) the wanted gradients of their mean: an empty dhidden
/// or dweight is not wanted; dhidden has hidden's dtype, dweight the arithmetic's.
Tensor run_chunks(const Problem& problem, double mean_scale, Tensor& dhidden, Tensor& dweight) {
  const Tensor& weight = problem.weight;
  const int64_t rows = problem.hidden.size(0), vocabulary = weight.size(0), width = weight.size(1);
  const DType work = problem.arithmetic();
  const Device device = weight.device();
  const int64_t chunk = loss_chunk_rows(rows, vocabulary, work, device);
  Tensor losses = Tensor::empty({rows}, work, device);
  Tensor logits_memory = Tensor::empty({chunk, vocabulary}, work, device);
  const bool with_grad = dhidden || dweight;
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    const int64_t n = std::min(chunk, rows - begin);
    const Tensor hidden = cast(problem.hidden.rows(begin, n), problem.operand);
    Tensor logits = logits_memory.rows(0, n), chunk_losses = losses.rows(begin, n);
    matmul_into(hidden, weight, logits, {.transpose_b = true});
    SCCA_ON_DEVICE(device, softmax_losses(logits, problem.targets.rows(begin, n), problem.ignore_index,
                                          with_grad ? mean_scale : 0, chunk_losses));
    if (!with_grad) continue;
    const Tensor dlogits = cast(logits, problem.operand);
    if (dhidden) {
      Tensor into = dhidden.rows(begin, n);
      const bool rounds = into.dtype() != problem.operand;  // bf16, multiplied in f32
      Tensor exact = rounds ? Tensor::empty({n, width}, work, device) : into;
      matmul_into(dlogits, weight, exact);
      if (rounds) SCCA_ON_DEVICE(device, convert(exact, into));
    }
    if (dweight) matmul_into(dlogits, hidden, dweight, {.transpose_a = true, .accumulate = begin > 0});
  }
  return losses;
}

}  // namespace

int64_t loss_chunk_rows(int64_t rows, int64_t vocabulary, DType logits, Device device) {
  // the CPU's caches keep a chunk between product, softmax and products; a GPU is filled only by a larger one
  const int64_t bytes = int64_t{device == Device::cpu ? 4 : 64} << 20;
  constexpr int64_t tile = 128;  // of rows, in the products of tensor cores
  const int64_t fit = bytes / std::max<int64_t>(vocabulary * static_cast<int64_t>(size_of(logits)), 1);
  if (device != Device::cpu) return std::min(rows, std::max<int64_t>(256, fit / tile * tile));
  return std::min<int64_t>(rows, fit < 256 ? 512 : fit);
}

Tensor linear_cross_entropy(const Tensor& hidden, const Tensor& weight, const Tensor& targets,
                            int64_t ignore_index) {
  const Problem problem = checked("linear_cross_entropy", hidden, weight, targets, ignore_index);
  SCCA_CHECK(problem.count > 0, "linear_cross_entropy: all ", targets.numel(),
             " targets are ignored, so there is no mean; a batch needs at least one token to predict");
  const DType work = problem.arithmetic();
  Tensor mean = Tensor::empty({}, work, hidden.device());
  auto node = record<LinearCrossEntropyNode>(mean, {&hidden, &weight});
  Tensor dhidden, dweight;
  if (node && node->wants(0))
    dhidden = Tensor::empty(problem.hidden.shape(), hidden.dtype(), hidden.device());
  if (node && node->wants(1)) dweight = Tensor::empty(weight.shape(), work, hidden.device());
  const Tensor losses = run_chunks(problem, 1.0 / static_cast<double>(problem.count), dhidden, dweight);
  SCCA_ON_DEVICE(hidden.device(), mean_loss(losses, problem.count, mean));
  if (node) {
    if (dhidden) node->dhidden = dhidden.reshape(hidden.shape());
    if (dweight) node->dweight = cast(dweight, weight.dtype());
  }
  return mean;
}

Tensor token_losses(const Tensor& hidden, const Tensor& weight, const Tensor& targets, int64_t ignore_index) {
  Tensor no_dhidden, no_dweight;
  return run_chunks(checked("token_losses", hidden, weight, targets, ignore_index), 0, no_dhidden,
                    no_dweight);
}

namespace cpu {
namespace {

/// One row of logits x: -log softmax(x)[target]. Afterwards x holds exp(x - max), whose sum goes to `sum`.
double row_loss(double* x, int64_t n, int64_t target, double& sum) {
  const double largest = *std::max_element(x, x + n), at_target = x[target];
  sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - largest);
  return std::log(sum) + largest - at_target;
}

float row_loss(float* x, int64_t n, int64_t target, float& sum) {
  using namespace simd;
  const int64_t whole = n - n % kWidth, rest = n - whole;
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  floats high = broadcast(lowest), total{};
  for (int64_t i = 0; i < whole; i += kWidth) high = simd::max(high, load(x + i));
  if (rest) high = simd::max(high, load_first(x + whole, rest, lowest));
  const float largest = reduce_max(high), at_target = x[target];
  for (int64_t i = 0; i < whole; i += kWidth) {
    const floats e = simd::exp(load(x + i) - largest);
    store(x + i, e);
    total += e;
  }
  if (rest) {
    const floats e = simd::exp(load_first(x + whole, rest, lowest) - largest);
    store_first(x + whole, rest, e);
    total += e;
  }
  sum = reduce_sum(total);
  return std::log(sum) + largest - at_target;
}

/// x = scale (x / sum - onehot(target)).
template <class T>
void row_gradient(T* x, int64_t n, int64_t target, T sum, T scale) {
  const T factor = scale / sum;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
  x[target] -= scale;
}

}  // namespace

void softmax_losses(Tensor& logits, const Tensor& targets, int64_t ignore_index, double grad_scale,
                    Tensor& losses) {
  const auto run = [&]<class T>(T* x, T* loss) {
    const int64_t n = logits.size(1);
    const int32_t* target = targets.data<int32_t>();
    const int64_t grain = kElementwiseGrain / std::max<int64_t>(n, 1);
    parallel_for(logits.size(0), grain, [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        T* logit = x + row * n;
        if (target[row] == ignore_index) {
          loss[row] = 0;
          if (grad_scale != 0) std::fill_n(logit, n, T(0));
          continue;
        }
        T sum = 0;
        loss[row] = row_loss(logit, n, target[row], sum);
        if (grad_scale != 0) row_gradient(logit, n, target[row], sum, static_cast<T>(grad_scale));
      }
    });
  };
  if (logits.dtype() == DType::f64) {
    run(logits.data<double>(), losses.data<double>());
  } else {
    run(logits.data<float>(), losses.data<float>());
  }
}

void mean_loss(const Tensor& losses, int64_t count, Tensor& mean) {
  visit_float(losses.dtype(), "linear_cross_entropy", [&]<class T>() {
    const T* loss = losses.data<T>();
    double sum = 0;
    for (int64_t i = 0; i < losses.numel(); ++i) sum += static_cast<double>(loss[i]);
    *mean.data<T>() = static_cast<T>(sum / static_cast<double>(count));
  });
}

void scale_gradient(const Tensor& grad, Tensor& d) {
  const double factor = grad.item();
  if (factor == 1) return;
  visit_float(d.dtype(), "linear_cross_entropy", [&]<class T>() {
    T* x = d.data<T>();
    const auto f = static_cast<Accumulator<T>>(factor);
    parallel_for(d.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) x[i] = static_cast<T>(static_cast<Accumulator<T>>(x[i]) * f);
    });
  });
}

}  // namespace cpu
}  // namespace scca
