#include "core/elementwise.cuh"
#include "core/upload.cuh"
#include "ops/adamw.h"
#include "ops/adamw_pieces.h"

namespace scca::cuda {
namespace {

/// A piece of a parameter a block, all parameters in one launch. Moves 28 bytes a parameter.
__global__ void step(const UpdatePiece* updates, AdamWFactors<float> f) {
  const UpdatePiece u = updates[blockIdx.x];
  const float keep = u.decay ? f.keep : 1;
  const auto update = [&]<int K>(int64_t i) {
    Floats<K> w = load<K>(u.w + i), m = load<K>(u.m + i), v = load<K>(u.v + i);
    const Floats<K> grad = load<K>(u.grad + i);
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const float g = grad.at[k] * f.grad_scale;
      m.at[k] = f.beta1 * m.at[k] + f.rest1 * g;
      v.at[k] = f.beta2 * v.at[k] + f.rest2 * (g * g);
      w.at[k] = w.at[k] * keep - f.step_size * (m.at[k] / (sqrtf(v.at[k]) * f.root_correction + f.eps));
    }
    store(u.w + i, w);
    store(u.m + i, m);
    store(u.v + i, v);
  };
  if (u.packs) {
    for_each_pack<4>(u.count, threadIdx.x, blockDim.x, update);
  } else {
    for_each_pack<1>(u.count, threadIdx.x, blockDim.x, update);
  }
}

template <int N, class T>
__device__ double sum_of(const T* values, int64_t count) {
  double sum = 0;
  for_each_pack<N>(count, threadIdx.x, blockDim.x, [&]<int K>(int64_t i) {
    const Floats<K> x = load<K>(values + i);
#pragma unroll
    for (int k = 0; k < K; ++k) sum += static_cast<double>(x.at[k]) * x.at[k];
  });
  return sum;
}

/// A piece of a gradient a block, all gradients in one launch: partial[piece]. Moves every gradient once.
__global__ void sum_pieces(const NormPiece* pieces, double* partial) {
  __shared__ double scratch[32];
  const NormPiece p = pieces[blockIdx.x];
  const auto* f32 = static_cast<const float*>(p.values);
  const auto* half = static_cast<const __nv_bfloat16*>(p.values);
  double sum = 0;
  if (p.is_f32) {
    sum = p.packs ? sum_of<4>(f32, p.count) : sum_of<1>(f32, p.count);
  } else {
    sum = p.packs ? sum_of<8>(half, p.count) : sum_of<1>(half, p.count);
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// One block.
__global__ void __launch_bounds__(kMostThreads)
    sum_partials(const double* partial, int64_t n, double* total) {
  __shared__ double scratch[32];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += partial[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) *total = sum;
}

}  // namespace

/// The pieces are listed anew in each step: gradients lie elsewhere each time.
void adamw(std::vector<AdamWParameter>& parameters, const AdamWOptions& options, int64_t t,
           double grad_scale, Tensor& list) {
  std::vector<UpdatePiece> updates;
  for (const Piece& piece :
       cut(parameters.size(), [&](size_t i) -> const Tensor& { return parameters[i].grad; })) {
    AdamWParameter& p = parameters[piece.tensor];
    if (p.parameter.dtype() != DType::f32)
      fail("adamw: ", name_of(p.parameter.dtype()),
           " on CUDA, expected f32; f64 is for exact checks on the CPU");
    const int64_t at = piece.begin;
    updates.push_back({data<float>(p.parameter) + at, data<float>(p.grad) + at, data<float>(p.m) + at,
                       data<float>(p.v) + at, piece.count, p.decay, aligned(p.parameter, p.grad, p.m, p.v)});
  }
  launch({"adamw", blocks_along_x("adamw", std::ssize(updates)), kThreads}, step, Upload(list).add(updates),
         AdamWFactors<float>(options, t, grad_scale));
}

void sum_of_squares(std::span<const Tensor> grads, NormWorkspace& workspace, double& sum) {
  std::vector<NormPiece> pieces;
  for (const Piece& piece : cut(grads.size(), [&](size_t i) -> const Tensor& { return grads[i]; })) {
    const Tensor& grad = grads[piece.tensor];
    visit_work(grad.dtype(), "gradient_norm", [&]<class T>() {
      pieces.push_back({data<T>(grad) + piece.begin, piece.count, grad.dtype() == DType::f32, aligned(grad)});
    });
  }
  const auto count = static_cast<int64_t>(pieces.size());
  launch({"gradient_norm", blocks_along_x("gradient_norm", count), kThreads}, sum_pieces,
         Upload(workspace.list).add(pieces), data<double>(workspace.parts));
  launch({"gradient_norm", 1, kMostThreads}, sum_partials, data<double>(workspace.parts), count,
         data<double>(workspace.total));
  copy_to_host(reinterpret_cast<std::byte*>(&sum), workspace.total.raw(), sizeof(sum));
}

}  // namespace scca::cuda
