#include "core/cuda_utils.cuh"

#include <string_view>

namespace scca::cuda {
namespace {

/// "ops/rms_norm.cu" of any path: folder and file say enough.
std::string_view short_path(std::string_view path) {
  const size_t file = path.rfind('/');
  if (file == std::string_view::npos || file == 0) return path;
  const size_t folder = path.rfind('/', file - 1);
  return folder == std::string_view::npos ? path : path.substr(folder + 1);
}

}  // namespace

void check(cudaError_t result, const char* op, std::source_location where) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // what is not sticky must not fail the next call too
  fail(op, ": ", cudaGetErrorString(result), " (", cudaGetErrorName(result), ") at ", short_path(where.file_name()),
       ":", where.line(),
       result == cudaErrorMemoryAllocation
           ? "; use a shorter context, a smaller batch, or checkpointing"
           : "; a kernel queued earlier may be at fault: CUDA_LAUNCH_BLOCKING=1 shows which");
}

}  // namespace scca::cuda
