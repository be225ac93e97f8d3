// The few entries of cuBLAS that ops/matmul.cu calls, defined here as forwards to the library, which is opened at the
// first call: it takes half a second to load and hundreds of MB, and a program that stays on the CPU wants neither.
#include <cublas_v2.h>
#include <dlfcn.h>

#include <string>

#include "core/check.h"

namespace {

void* library() {
  static void* opened = [] {
    const std::string version = std::to_string(CUBLAS_VER_MAJOR);
    for (const std::string& name : {"libcublas.so." + version, "/usr/local/cuda/lib64/libcublas.so." + version}) {
      if (void* found = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
    }
    scca::fail("matmul: libcublas.so.", version, " is not found, which matrix products on CUDA need; install the CUDA ",
               version, " libraries, or name their folder in LD_LIBRARY_PATH (", dlerror(), ")");
  }();
  return opened;
}

/// Calls the library's entry of this name, whose parameters are just the types of ours that are passed on.
template <class Result = cublasStatus_t, class... Parameters>
Result forward(const char* name, Parameters... parameters) {
  void* found = dlsym(library(), name);
  if (!found) scca::fail("matmul: libcublas has no ", name, "; is it another version than ", CUBLAS_VER_MAJOR, "?");
  return reinterpret_cast<Result (*)(Parameters...)>(found)(parameters...);
}

}  // namespace

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) { return forward(__func__, handle); }

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return forward(__func__, handle, stream);
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) { return forward(__func__, handle, mode); }

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                            int k, const void* alpha, const void* A, cudaDataType Atype, int lda, const void* B,
                            cudaDataType Btype, int ldb, const void* beta, void* C, cudaDataType Ctype, int ldc,
                            cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
  return forward(__func__, handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc,
               computeType, algo);
}

const char* cublasGetStatusString(cublasStatus_t status) { return forward<const char*>(__func__, status); }
