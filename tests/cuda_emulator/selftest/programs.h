#pragma once
// Small CUDA programs that the emulator must accept, or refuse with one line that says what is wrong.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

struct Program {
  const char* name;
  const char* variants;  // that must behave so, e.g. "check" or "plain check ubsan"
  const char* expected;  // part of what it prints; of a good program: "ok"
  void (*run)();
};

/// Where they are listed: good.cu, memory.cu, races.cu, waiting.cu, banks.cu.
extern const std::vector<Program> good_programs, memory_programs, race_programs, waiting_programs,
    bank_programs;

inline void must(cudaError_t result) {
  if (result == cudaSuccess) return;
  std::printf("refused: %s\n", cudaGetErrorString(result));
  std::exit(1);
}

inline void must_be(bool right, const char* what) {
  if (right) return;
  std::printf("wrong: %s\n", what);
  std::exit(1);
}

/// Queues a kernel; dynamic shared memory in bytes.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t dynamic_shared,
            Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_shared;
  must(cudaLaunchKernelEx(&config, kernel, arguments...));
}

/// n elements of device memory; with a value, all of it written.
template <class T>
T* device(size_t n) {
  void* memory = nullptr;
  must(cudaMalloc(&memory, n * sizeof(T)));
  return static_cast<T*>(memory);
}
template <class T>
T* device(const std::vector<T>& values) {
  T* memory = device<T>(values.size());
  must(cudaMemcpy(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return memory;
}

template <class T>
std::vector<T> host(const T* memory, size_t n) {
  std::vector<T> values(n);
  must(cudaMemcpy(values.data(), memory, n * sizeof(T), cudaMemcpyDeviceToHost));
  return values;
}

inline void finish() { must(cudaDeviceSynchronize()); }
