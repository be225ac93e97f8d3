// The few entries of cuBLAS that ops/matmul.cu calls, defined here as forwards to the library, which is
// opened at the first call: it takes half a second to load and hundreds of MB, and a program that stays on
// the CPU wants neither.
#include <cublas_v2.h>
#include <dlfcn.h>

#include <string>

#include "core/check.h"
#include "ops/cublas_search.h"

#ifndef SCCA_CUBLAS_FOLDER  // of the toolkit that this is built with: CMake knows it
#define SCCA_CUBLAS_FOLDER ""
#endif

namespace {

void* open_library() {
  return scca::find_cublas(CUBLAS_VER_MAJOR, SCCA_CUBLAS_FOLDER,
                           [](const std::string& file, std::string& why) {
                             void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
                             if (!library) why = dlerror();
                             return library;
                           });
}

/// An entry of the library, called with the parameters of the function below that has its name. All of them
/// are looked up when the library is opened: a name that it does not have is said at the first product,
/// whichever that is.
class Entry {
 public:
  explicit Entry(const char* name) : name_(name), next_(first_) { first_ = this; }

  template <class Result = cublasStatus_t, class... Parameters>
  Result call(Parameters... parameters) const {
    [[maybe_unused]] static const bool found = find_all(open_library());
    return reinterpret_cast<Result (*)(Parameters...)>(address_)(parameters...);
  }

 private:
  static bool find_all(void* library) {
    for (Entry* entry = first_; entry; entry = entry->next_) {
      entry->address_ = dlsym(library, entry->name_);
      if (!entry->address_)
        scca::fail("matmul: libcublas has no ", entry->name_, "; is it NVIDIA's, of version ",
                   CUBLAS_VER_MAJOR, "?");
    }
    return true;
  }

  static inline Entry* first_ = nullptr;
  const char* name_;
  Entry* next_;
  void* address_ = nullptr;
};

Entry create("cublasCreate_v2"), set_stream("cublasSetStream_v2"), set_math_mode("cublasSetMathMode"),
    gemm("cublasGemmEx"), status_string("cublasGetStatusString");

}  // namespace

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) { return create.call(handle); }

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return set_stream.call(handle, stream);
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return set_math_mode.call(handle, mode);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                            int n, int k, const void* alpha, const void* A, cudaDataType Atype, int lda,
                            const void* B, cudaDataType Btype, int ldb, const void* beta, void* C,
                            cudaDataType Ctype, int ldc, cublasComputeType_t computeType,
                            cublasGemmAlgo_t algo) {
  return gemm.call(handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc,
                   computeType, algo);
}

const char* cublasGetStatusString(cublasStatus_t status) { return status_string.call<const char*>(status); }
