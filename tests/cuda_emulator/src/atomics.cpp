#include "internal.h"

namespace {

/// Threads run one at a time, so that any read and write is whole.
template <class T, class F>
T update(T* address, F&& new_value, const void* code) {
  cuemu::check::access(address, sizeof(T), cuemu::Access::atomic, code);
  const T old = *address;
  *address = new_value(old);
  return old;
}

}  // namespace

#define CUEMU_ATOMIC(T, name, expression)                                              \
  T name(T* address, T value) {                                                        \
    return update(                                                                     \
        address, [=](T old) -> T { return expression; }, __builtin_return_address(0)); \
  }

CUEMU_ATOMIC(int, atomicAdd, static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
CUEMU_ATOMIC(unsigned, atomicAdd, old + value)
CUEMU_ATOMIC(unsigned long long, atomicAdd, old + value)
CUEMU_ATOMIC(float, atomicAdd, old + value)
CUEMU_ATOMIC(double, atomicAdd, old + value)
CUEMU_ATOMIC(int, atomicMax, old < value ? value : old)
CUEMU_ATOMIC(unsigned, atomicMax, old < value ? value : old)
CUEMU_ATOMIC(int, atomicMin, value < old ? value : old)
CUEMU_ATOMIC(unsigned, atomicMin, value < old ? value : old)
CUEMU_ATOMIC(int, atomicOr, old | value)
CUEMU_ATOMIC(unsigned, atomicOr, old | value)
CUEMU_ATOMIC(int, atomicExch, (static_cast<void>(old), value))
CUEMU_ATOMIC(unsigned, atomicExch, (static_cast<void>(old), value))

int atomicCAS(int* address, int expected, int value) {
  return update(
      address, [=](int old) { return old == expected ? value : old; }, __builtin_return_address(0));
}
unsigned atomicCAS(unsigned* address, unsigned expected, unsigned value) {
  return update(
      address, [=](unsigned old) { return old == expected ? value : old; }, __builtin_return_address(0));
}
