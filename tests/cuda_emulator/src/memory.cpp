// Device memory: one range of addresses that nobody may touch but while the device is at work, so that a host
// pointer mistake is a crash at the place of the mistake. (It costs a call of mprotect per wait;
// CUEMU_PROTECT=0 leaves the memory open.) CUEMU_MEMORY=bytes sets how much there is: addresses, which cost
// nothing until somebody writes there.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "internal.h"

namespace cuemu {

Arena arena;
CuemuCounters counters;

namespace {

constexpr size_t kAlignment =
    256;  // of cudaMalloc, and the gap behind each block in which an overrun is seen
constexpr size_t kSmallestArena = size_t{8} << 30;
/// Beyond this, memory that is handed out is not filled, and what is set to zero goes back to the system.
constexpr size_t kLarge = size_t{1} << 30;

struct Heap {
  std::map<size_t, size_t> live;  // offset -> bytes asked for
  std::map<size_t, size_t> gone;  // the last owner of an address, for messages
  std::map<const char*, size_t> pinned;
  size_t live_bytes = 0;
  size_t next =
      0;  // the checked variant goes round before it takes an address again: a late use is seen longer
};
Heap& heap() {
  static Heap* made = new Heap;
  return *made;
}

size_t total_bytes() {
  const char* set = std::getenv("CUEMU_MEMORY");
  return set ? std::strtoull(set, nullptr, 10) : size_t{4} << 30;
}

bool protecting() {
  static const bool on = [] {
    const char* set = std::getenv("CUEMU_PROTECT");
    return !set || std::strcmp(set, "0") != 0;
  }();
  return on;
}

void reserve_arena() {
  if (arena.base) return;
  const size_t bytes = std::max(2 * total_bytes(), kSmallestArena);
  void* mapped = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) fatal("no address space for the device's memory");
  arena.base = static_cast<char*>(mapped);
  arena.bytes = bytes;
  check::reserve(arena);
}

size_t span(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment; }

/// The first gap of `bytes` at or after `from`; the arena's end where there is none.
size_t find_gap(size_t from, size_t bytes) {
  size_t at = from;
  auto block = heap().live.upper_bound(from);
  if (block != heap().live.begin()) {
    const auto before = std::prev(block);
    at = std::max(at, before->first + span(before->second));
  }
  for (; block != heap().live.end() && block->first - at < bytes; ++block)
    at = block->first + span(block->second);
  return at + bytes <= arena.bytes ? at : arena.bytes;
}

/// The live allocation that holds an offset; end() where none does.
std::map<size_t, size_t>::const_iterator owner(const std::map<size_t, size_t>& blocks, size_t offset) {
  auto block = blocks.upper_bound(offset);
  if (block == blocks.begin()) return blocks.end();
  --block;
  return offset < block->first + span(block->second) ? block : blocks.end();
}

int open_count = 0;

void set_protection(size_t begin, size_t end, int protection) {
  constexpr size_t page = 4096;
  begin = begin / page * page;
  if (begin < end && mprotect(arena.base + begin, (end - begin + page - 1) / page * page, protection) != 0)
    fatal("cannot change the protection of the device's memory");
}

/// NaN: so that what nobody has written shows itself. Zero where most blocks do not run, and write nothing.
void fill_fresh(size_t offset, size_t bytes) {
  if (bytes >= kLarge) return;
  if (open_count == 0) set_protection(offset, offset + bytes, PROT_READ | PROT_WRITE);
  std::memset(arena.base + offset, last_blocks() ? 0 : 0xff, bytes);
  if (open_count == 0 && protecting()) set_protection(offset, offset + bytes, PROT_NONE);
}

}  // namespace

DeviceOpen::DeviceOpen() {
  explain_segmentation_faults();
  if (open_count++ == 0) set_protection(0, arena.used, PROT_READ | PROT_WRITE);
}
DeviceOpen::~DeviceOpen() {
  if (--open_count == 0 && protecting()) set_protection(0, arena.used, PROT_NONE);
}

void set_zero(void* memory, size_t bytes) {
  constexpr uintptr_t page = 4096;
  if (bytes < kLarge) {
    std::memset(memory, 0, bytes);
    return;
  }
  char* const begin = static_cast<char*>(memory);
  char* const first = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page);
  char* const last = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(begin + bytes) / page * page);
  std::memset(begin, 0, static_cast<size_t>(first - begin));
  if (madvise(first, static_cast<size_t>(last - first), MADV_DONTNEED) != 0)
    std::memset(first, 0, static_cast<size_t>(last - first));
  std::memset(last, 0, static_cast<size_t>(begin + bytes - last));
}

std::string describe_address(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  if (!arena.contains(address)) return std::string("host address ") + text;
  const auto offset = static_cast<size_t>(static_cast<const char*>(address) - arena.base);
  for (const auto* blocks : {&heap().live, &heap().gone}) {
    const auto block = owner(*blocks, offset);
    if (block == blocks->end()) continue;
    return "byte " + std::to_string(offset - block->first) + " of " + std::to_string(block->second) +
           (blocks == &heap().live ? " in device memory" : " in device memory that was freed");
  }
  return std::string("device address ") + text + ", which nobody allocated";
}

void check_device_range(const char* call, const void* address, size_t bytes) {
  if (!arena.contains(address))
    fatal(std::string(call) + ": " + describe_address(address) + " is not device memory");
  const auto offset = static_cast<size_t>(static_cast<const char*>(address) - arena.base);
  const auto block = owner(heap().live, offset);
  if (block == heap().live.end() || offset + bytes > block->first + block->second)
    fatal(std::string(call) + ": " + std::to_string(bytes) + " bytes from " + describe_address(address) +
          " leave it");
}

bool is_pinned(const void* address) {
  const auto* byte = static_cast<const char*>(address);
  auto block = heap().pinned.upper_bound(byte);
  return block != heap().pinned.begin() && byte < (--block)->first + block->second;
}

}  // namespace cuemu

using namespace cuemu;

extern "C" CuemuCounters cuemu_counters() { return counters; }
extern "C" bool cuemu_checks_accesses() { return check::on; }

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  if (bytes == 0) {
    *memory = nullptr;
    return cudaSuccess;
  }
  reserve_arena();
  explain_segmentation_faults();
  if (bytes > total_bytes() || heap().live_bytes + bytes > total_bytes())
    return failed(cudaErrorMemoryAllocation);
  size_t offset = find_gap(check::on ? heap().next : 0, span(bytes));
  if (offset == arena.bytes) offset = find_gap(0, span(bytes));
  if (offset == arena.bytes) return failed(cudaErrorMemoryAllocation);
  heap().next = offset + span(bytes);
  heap().live[offset] = bytes;
  heap().live_bytes += bytes;
  counters.live_bytes = static_cast<int64_t>(heap().live_bytes);
  ++counters.allocations;
  arena.used = std::max(arena.used, offset + span(bytes));
  *memory = arena.base + offset;
  check::allocated(*memory, bytes);
  fill_fresh(offset, bytes);
  return cudaSuccess;
}

namespace {

void release(const char* call, void* memory) {
  const auto block = arena.contains(memory)
                         ? heap().live.find(static_cast<size_t>(static_cast<char*>(memory) - arena.base))
                         : heap().live.end();
  if (block == heap().live.end())
    fatal(std::string(call) + " of " + describe_address(memory) +
          ", which is not the start of a live allocation");
  heap().live_bytes -= block->second;
  counters.live_bytes = static_cast<int64_t>(heap().live_bytes);
  check::released(memory, block->second);
  heap().gone[block->first] = block->second;
  heap().live.erase(block);
}

}  // namespace

cudaError_t cudaFree(void* memory) {
  run_everything();
  if (memory) release("cudaFree", memory);
  return cudaSuccess;
}

/// In the order of the stream: what was queued before may still read the block.
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  enqueue_work(stream, [=] { release("cudaFreeAsync", memory); });
  return cudaSuccess;
}

/// The driver counts on what is freed earlier in the stream; here that has to have run.
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  const cudaError_t result = cudaMalloc(memory, bytes);
  if (result != cudaErrorMemoryAllocation) return result;
  run_everything();
  return cudaMalloc(memory, bytes);
}

/// One pool, that keeps nothing.
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return device_exists() ? cudaSuccess : failed(cudaErrorNoDevice);
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
  *static_cast<uint64_t*>(value) = 0;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  *total = total_bytes();
  *available = *total - std::min(*total, heap().live_bytes);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  *memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (!*memory) return failed(cudaErrorMemoryAllocation);
  heap().pinned[static_cast<char*>(*memory)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  run_everything();
  if (heap().pinned.erase(static_cast<char*>(memory)) == 0 && memory)
    fatal("cudaFreeHost of " + describe_address(memory) + ", which cudaMallocHost did not give");
  std::free(memory);
  return cudaSuccess;
}
