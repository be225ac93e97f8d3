// The functions that -fsanitize=thread makes a kernel call before its accesses, and in the place of atomic
// operations of the host's code beside it.
#include "internal.h"

using cuemu::Access;
#define CUEMU_CODE __builtin_return_address(0)

extern "C" {

#define CUEMU_ACCESS(bytes)                                                                                \
  void __tsan_read##bytes(void* p) { cuemu::check::access(p, bytes, Access::read, CUEMU_CODE); }           \
  void __tsan_write##bytes(void* p) { cuemu::check::access(p, bytes, Access::write, CUEMU_CODE); }         \
  void __tsan_unaligned_read##bytes(void* p) { cuemu::check::access(p, bytes, Access::read, CUEMU_CODE); } \
  void __tsan_unaligned_write##bytes(void* p) { cuemu::check::access(p, bytes, Access::write, CUEMU_CODE); }
CUEMU_ACCESS(1)
CUEMU_ACCESS(2)
CUEMU_ACCESS(4)
CUEMU_ACCESS(8)
CUEMU_ACCESS(16)
void __tsan_read_range(void* p, size_t n) { cuemu::check::access(p, n, Access::read, CUEMU_CODE); }
void __tsan_write_range(void* p, size_t n) { cuemu::check::access(p, n, Access::write, CUEMU_CODE); }

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define CUEMU_HOST_ATOMIC(bits, T)                                                                        \
  T __tsan_atomic##bits##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {                                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                       \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) {                                            \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                    \
  }                                                                                                       \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) {                                            \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                    \
  }                                                                                                       \
  bool __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* expected, T v, int, int) {         \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);        \
  }
CUEMU_HOST_ATOMIC(8, uint8_t)
CUEMU_HOST_ATOMIC(32, uint32_t)
CUEMU_HOST_ATOMIC(64, uint64_t)

}  // extern "C"
