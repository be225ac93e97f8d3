// Calls every entry of ops/cublas.cu, as nvcc built it, in the real library, and prints the answers: without
// a driver cuBLAS refuses, and that is all that can be seen of it without a card. Exits with 1 where there is
// no library, or one without these entries.
#include <cublas_v2.h>

#include <exception>
#include <iostream>

int main() {
  try {
    const auto say = [](const char* entry, cublasStatus_t status) {
      std::cout << entry << ": " << cublasGetStatusString(status) << "\n";
    };
    cublasHandle_t handle = nullptr;
    say("cublasCreate_v2", cublasCreate_v2(&handle));
    say("cublasSetStream_v2", cublasSetStream_v2(nullptr, nullptr));
    say("cublasSetMathMode", cublasSetMathMode(nullptr, CUBLAS_DEFAULT_MATH));
    const float one = 1;
    say("cublasGemmEx",
        cublasGemmEx(nullptr, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, nullptr, CUDA_R_32F, 1, nullptr,
                     CUDA_R_32F, 1, &one, nullptr, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
