// Threads that wait for others which do not come; launches that are refused; hosts that do not wait.
#include "programs.h"

namespace {

__global__ void half_barrier(int* y) {
  if (threadIdx.x < 32) __syncthreads();
  y[threadIdx.x] = 1;
}
__global__ void two_barriers(int* y) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}
__global__ void early_return(int* y) {
  if (threadIdx.x == 40) return;
  __syncthreads();
  y[threadIdx.x] = 1;
}
__global__ void missing_lane(int* y) {
  if (threadIdx.x < 31) y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
__global__ void lane_outside_mask(int* y) {
  if (threadIdx.x < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffu, 1, 16);
}
__global__ void half_a_warp(int* y) { y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1); }
__global__ void one(int* y) { *y = 1; }

void run(void (*kernel)(int*), unsigned threads) {
  launch(kernel, 1, threads, 0, device<int>(threads));
  finish();
}
void barrier_of_some() { run(half_barrier, 64); }
void barriers_apart() { run(two_barriers, 64); }
void return_before_barrier() { run(early_return, 64); }
void shuffle_without_a_lane() { run(missing_lane, 32); }
void shuffle_from_outside() { run(lane_outside_mask, 32); }
void shuffle_in_part_of_a_warp() { run(half_a_warp, 48); }
void too_many_threads() { run(one, 1025); }
void too_much_shared() { launch(one, 1, 1, 50000, device<int>(1)); }
void more_shared_than_there_is() {
  must(cudaFuncSetAttribute(reinterpret_cast<const void*>(one), cudaFuncAttributeMaxDynamicSharedMemorySize,
                            200000));
}
void no_device() {
  setenv("CUEMU_DEVICES", "0", 1);
  int devices = 0;
  must(cudaGetDeviceCount(&devices));
}
void old_driver() {
  setenv("CUEMU_DRIVER", "11040", 1);
  int devices = 0;
  must(cudaGetDeviceCount(&devices));
}
void host_does_not_wait() {
  cudaStream_t stream;
  must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  int* y = device(std::vector<int>(1));
  cudaLaunchConfig_t config{};
  config.gridDim = config.blockDim = 1;
  config.stream = stream;
  must(cudaLaunchKernelEx(&config, one, y));
  int value = 0;
  must(cudaMemcpyAsync(&value, y, sizeof value, cudaMemcpyDeviceToHost, stream));
  must_be(value == 1, "the host read before it waited");
}

}  // namespace

const std::vector<Program> waiting_programs = {
    {"barrier_of_some", "plain check ubsan", "__syncthreads waits for ever: thread (63,0,0) has returned",
     barrier_of_some},
    {"barriers_apart", "plain check ubsan", "divergent barrier: this thread is at selftest/waiting.cu",
     barriers_apart},
    {"return_before_barrier", "plain check ubsan",
     "__syncthreads waits for ever: thread (40,0,0) has returned", return_before_barrier},
    {"shuffle_without_a_lane", "plain check ubsan", "a shuffle waits for ever: thread (31,0,0) has returned",
     shuffle_without_a_lane},
    {"shuffle_from_outside", "plain check ubsan",
     "which its mask leaves out (selftest/waiting.cu:", shuffle_from_outside},
    {"shuffle_in_part_of_a_warp", "plain check ubsan", "names lane 16, but the warp has 16 lanes",
     shuffle_in_part_of_a_warp},
    {"too_many_threads", "plain check ubsan", "refused: invalid configuration argument", too_many_threads},
    {"too_much_shared", "plain check ubsan", "refused: invalid argument", too_much_shared},
    {"more_shared_than_there_is", "plain check ubsan", "refused: invalid argument",
     more_shared_than_there_is},
    {"no_device", "plain check ubsan", "refused: no CUDA-capable device is detected", no_device},
    {"old_driver", "plain check ubsan", "refused: CUDA driver version is insufficient", old_driver},
    {"host_does_not_wait", "plain check ubsan", "wrong: the host read before it waited", host_does_not_wait},
};
