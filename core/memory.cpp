#include "core/memory.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <cstring>

namespace scca::cpu {
namespace {

constexpr size_t kCacheLine = 64, kHugePage = size_t{2} << 20;

/// The whole huge pages within a block that begins with one: asked for, since Linux gives them on request
/// only (its default, "madvise"). A page is then cleared and looked up once in 512 times; never is memory
/// held beyond the block's end. Where there are none, the call changes nothing.
void ask_for_huge_pages(void* block, size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#else
  (void)block, (void)bytes;
#endif
}

}  // namespace

void allocate(size_t bytes, std::byte*& block) {
  const bool huge = bytes >= 2 * kHugePage;
  void* found = nullptr;
  const bool none = posix_memalign(&found, huge ? kHugePage : kCacheLine, bytes) != 0;
  block = none ? nullptr : static_cast<std::byte*>(found);
  if (block && huge) ask_for_huge_pages(block, bytes);
}

void release(std::byte* block) { std::free(block); }

void copy_from_host(std::byte* to, const std::byte* host, size_t bytes) { std::memcpy(to, host, bytes); }
void copy_to_host(std::byte* host, const std::byte* from, size_t bytes) { std::memcpy(host, from, bytes); }
void copy_within(std::byte* to, const std::byte* from, size_t bytes) { std::memcpy(to, from, bytes); }
void set_bytes(std::byte* to, int value, size_t bytes) { std::memset(to, value, bytes); }

}  // namespace scca::cpu
