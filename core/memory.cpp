#include "core/memory.h"

#include <cstdlib>
#include <cstring>

namespace scca::cpu {

void allocate(size_t bytes, std::byte*& block) {
  constexpr size_t alignment = 64;  // aligned_alloc wants a multiple of it
  block = static_cast<std::byte*>(std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment));
}

void release(std::byte* block) { std::free(block); }

void copy_from_host(std::byte* to, const std::byte* host, size_t bytes) { std::memcpy(to, host, bytes); }
void copy_to_host(std::byte* host, const std::byte* from, size_t bytes) { std::memcpy(host, from, bytes); }
void copy_within(std::byte* to, const std::byte* from, size_t bytes) { std::memcpy(to, from, bytes); }
void set_bytes(std::byte* to, int value, size_t bytes) { std::memset(to, value, bytes); }

}  // namespace scca::cpu
