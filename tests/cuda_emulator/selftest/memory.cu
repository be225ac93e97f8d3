// Memory that a program has no business with.
#include "programs.h"

extern __shared__ __align__(16) unsigned char dyn_smem[];

namespace {

__global__ void write_at(float* x, int i) { x[i] = 1; }
__global__ void read_at(const float* x, int i, float* y) { *y = x[i]; }

__global__ void overrun_dynamic(float* y, int i) {
  auto* scratch = reinterpret_cast<float*>(dyn_smem);
  scratch[i] = 1;
  *y = scratch[i];
}

__global__ void overrun_static(float* y, int i) {
  __shared__ float scratch[32];
  scratch[i] = 1;
  *y = scratch[i];
}

__global__ void overrun_local(float* y, int i) {
  float scratch[4] = {1, 2, 3, 4};
  scratch[i] += 1;
  *y = scratch[i - 1];
}

__global__ void unwritten_shared(float* y) {
  __shared__ float scratch[32];
  if (threadIdx.x < 31) scratch[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = scratch[threadIdx.x];
}

__global__ void misaligned(const float* x, float4* y, int i) { *y = *reinterpret_cast<const float4*>(x + i); }

__global__ void others_local(float* y) {
  __shared__ float* where;
  float mine = 1;
  if (threadIdx.x == 0) where = &mine;
  __syncthreads();
  if (threadIdx.x == 1) *where = 2;
  __syncthreads();
  y[threadIdx.x] = mine;
}

void overrun_global() {
  launch(write_at, 1, 1, 0, device<float>(4), 4);
  finish();
}
void unallocated() {
  launch(write_at, 1, 1, 0, device<float>(4), 40000);
  finish();
}
void unwritten_global() {
  launch(read_at, 1, 1, 0, device<float>(4), 2, device<float>(1));
  finish();
}
void dynamic_shared() {
  launch(overrun_dynamic, 1, 1, 64, device<float>(1), 16);
  finish();
}
void static_shared() {
  launch(overrun_static, 1, 1, 0, device<float>(1), 32);
  finish();
}
void local() {
  launch(overrun_local, 1, 1, 0, device<float>(1), 4);
  finish();
}
void unwritten_shared_memory() {
  launch(unwritten_shared, 1, 32, 0, device<float>(32));
  finish();
}
void misaligned_float4() {
  launch(misaligned, 1, 1, 0, device(std::vector<float>(8)), device<float4>(1), 1);
  finish();
}
void another_threads_local() {
  launch(others_local, 1, 32, 0, device<float>(32));
  finish();
}
void host_reads_device() {
  const float* x = device(std::vector<float>(4));
  volatile float first = *x;
  (void)first;
}
void device_reads_host() {
  std::vector<float> x(4, 1);
  launch(read_at, 1, 1, 0, x.data(), 0, device<float>(1));
  finish();
}
void use_after_free() {
  float* x = device(std::vector<float>(4));
  must(cudaFree(x));
  launch(read_at, 1, 1, 0, x, 0, device<float>(1));
  finish();
}
void double_free() {
  float* x = device<float>(4);
  must(cudaFree(x));
  must(cudaFree(x));
}
void copy_too_long() {
  std::vector<float> x(5);
  must(cudaMemcpy(device<float>(4), x.data(), 20, cudaMemcpyHostToDevice));
}
void memory_full() {
  setenv("CUEMU_MEMORY", "1000", 1);
  device<float>(200);
  device<float>(200);
}

}  // namespace

const std::vector<Program> memory_programs = {
    {"overrun_global", "check", "writes 4 bytes, byte 16 of 16 in device memory: nobody allocated it",
     overrun_global},
    {"unallocated", "check", "which nobody allocated: nobody allocated it", unallocated},
    {"unwritten_global", "check", "reads 4 bytes, byte 8 of 16 in device memory: nobody has written it",
     unwritten_global},
    {"overrun_dynamic_shared", "check", "byte 64 of dynamic shared memory: the launch asked for 64 bytes",
     dynamic_shared},
    {"overrun_static_shared", "ubsan", "index 32 out of bounds for type 'float [32]'", static_shared},
    {"overrun_local", "ubsan", "index 4 out of bounds for type 'float [4]'", local},
    {"unwritten_shared", "check",
     "thread (31,0,0): reads 4 bytes, static shared memory: nobody has written it", unwritten_shared_memory},
    {"misaligned_float4", "ubsan", "misaligned address", misaligned_float4},
    {"another_threads_local", "check", "that is the local memory of another thread", another_threads_local},
    {"host_reads_device", "plain check ubsan", "the host's own code touches device memory: byte 0 of 16",
     host_reads_device},
    {"device_reads_host", "check", "that is the host's memory", device_reads_host},
    {"use_after_free", "check", "byte 0 of 16 in device memory that was freed: it was freed", use_after_free},
    {"double_free", "plain check ubsan", "cudaFree of byte 0 of 16 in device memory that was freed",
     double_free},
    {"copy_too_long", "plain check ubsan", "cudaMemcpy: 20 bytes from byte 0 of 16 in device memory leave it",
     copy_too_long},
    {"memory_full", "plain check ubsan", "refused: out of memory", memory_full},
};
