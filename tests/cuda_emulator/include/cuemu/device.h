#pragma once
// The device functions that kernels here use and a host compiler lacks. What is missing is added here, next
// to its like; sfu-style approximations (__expf, rsqrtf) are computed exactly enough: their true errors are a
// GPU's affair.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "cuemu/core.h"

// Barriers
inline void __syncthreads(cuemu::Site site = CUEMU_HERE) { cuemu::barrier(site); }
inline int __syncthreads_count(int predicate, cuemu::Site site = CUEMU_HERE) {
  return cuemu::barrier_count(predicate != 0, site);
}
inline int __syncthreads_or(int predicate, cuemu::Site site = CUEMU_HERE) {
  return cuemu::barrier_count(predicate != 0, site) != 0;
}
inline int __syncthreads_and(int predicate, cuemu::Site site = CUEMU_HERE) {
  return cuemu::barrier_count(predicate == 0, site) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, cuemu::Site site = CUEMU_HERE) {
  cuemu::warp_barrier(mask, site);
}
// Blocks run one after another, a block's threads one at a time: memory is always in order. Who relies on a
// fence between threads of the same phase is reported as a race.
inline void __threadfence() {}
inline void __threadfence_block() {}

// Warp shuffles and votes
namespace cuemu {
template <class T>
T exchange_value(unsigned mask, T value, int source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
}  // namespace cuemu

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, cuemu::Site site = CUEMU_HERE) {
  const int first = cuemu::lane() & ~(width - 1);
  return cuemu::exchange_value(mask, value, first + (source & (width - 1)), site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance, int width = warpSize, cuemu::Site site = CUEMU_HERE) {
  const int me = cuemu::lane(), source = me ^ distance, end = (me & ~(width - 1)) + width;
  return cuemu::exchange_value(mask, value, source < end ? source : me, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = warpSize,
                   cuemu::Site site = CUEMU_HERE) {
  const int me = cuemu::lane(), source = me + static_cast<int>(distance), end = (me & ~(width - 1)) + width;
  return cuemu::exchange_value(mask, value, source < end ? source : me, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = warpSize,
                 cuemu::Site site = CUEMU_HERE) {
  const int me = cuemu::lane(), source = me - static_cast<int>(distance), first = me & ~(width - 1);
  return cuemu::exchange_value(mask, value, source >= first ? source : me, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, cuemu::Site site = CUEMU_HERE) {
  struct Vote {
    bool mine;
    unsigned all;
  } vote{predicate != 0, 0};
  cuemu::collective(
      "__ballot_sync", mask, &vote,
      [](void* const* votes, uint32_t lanes) {
        unsigned all = 0;
        for (int i = 0; i < 32; ++i)
          if (lanes >> i & 1 && static_cast<Vote*>(votes[i])->mine) all |= 1u << i;
        for (int i = 0; i < 32; ++i)
          if (lanes >> i & 1) static_cast<Vote*>(votes[i])->all = all;
      },
      site);
  return vote.all;
}
inline int __any_sync(unsigned mask, int predicate, cuemu::Site site = CUEMU_HERE) {
  return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, cuemu::Site site = CUEMU_HERE) {
  return __ballot_sync(mask, !predicate, site) == 0;
}

// Atomics: the old value is returned. Defined in atomics.cpp, outside the checks' view of plain accesses.
int atomicAdd(int* address, int value);
unsigned atomicAdd(unsigned* address, unsigned value);
unsigned long long atomicAdd(unsigned long long* address, unsigned long long value);
float atomicAdd(float* address, float value);
double atomicAdd(double* address, double value);
int atomicMax(int* address, int value);
unsigned atomicMax(unsigned* address, unsigned value);
int atomicMin(int* address, int value);
unsigned atomicMin(unsigned* address, unsigned value);
int atomicOr(int* address, int value);
unsigned atomicOr(unsigned* address, unsigned value);
int atomicExch(int* address, int value);
unsigned atomicExch(unsigned* address, unsigned value);
int atomicCAS(int* address, int expected, int value);
unsigned atomicCAS(unsigned* address, unsigned expected, unsigned value);

// Arithmetic. CUDA has min and max at global scope, of mixed types too.
template <class A, class B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  return b < a ? b : a;
}
template <class A, class B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  return a < b ? b : a;
}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __sinf(float x) { return std::sin(x); }
inline float __cosf(float x) { return std::cos(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __saturatef(float x) { return x < 0 ? 0.0f : x > 1 ? 1.0f : x; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>(((static_cast<uint64_t>(high) << 32 | low) << (shift & 31)) >> 32);
}

// Cached, streaming loads and stores: the same memory.
template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}

#define __trap() ::cuemu::trap("__trap", CUEMU_HERE)
