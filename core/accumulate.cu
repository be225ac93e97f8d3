#include "core/accumulate.h"

#include "core/cuda_utils.cuh"

namespace scca::cuda {
namespace {

template <class T>
__global__ void add(const T* a, const T* b, int64_t n, T* sum) {
  for (int64_t i = grid_thread(); i < n; i += grid_size()) sum[i] = from_float<T>(to_float(a[i]) + to_float(b[i]));
}

}  // namespace

void add_out_of_place(const Tensor& a, const Tensor& b, Tensor& sum) {
  visit_work(sum.dtype(), "accumulate", [&]<class T>() {
    launch({"accumulate", blocks_for(sum.numel()), kThreads}, add<T>, data<T>(a), data<T>(b), sum.numel(),
           data<T>(sum));
  });
}

void add_in_place(Tensor& sum, const Tensor& term) { add_out_of_place(sum, term, sum); }

}  // namespace scca::cuda
