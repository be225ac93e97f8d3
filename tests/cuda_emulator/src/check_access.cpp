// The variant `check`: the kernels are compiled with -fsanitize=thread, whose calls before every access end
// here. Each two bytes of device and shared memory have a cell that knows who wrote and who read them last,
// and when:
//   memcheck   outside every allocation, after a free, beyond the dynamic shared memory asked for, the host's
//   memory initcheck  a read of what nobody wrote (shared memory: of what this block did not write) racecheck
//   two accesses, one of them a write, by threads that no barrier orders
// Not seen: races between single bytes, local memory and overruns from one static __shared__ array into the
// next (the variant `ubsan` sees those), and order made by fences and flags, which is reported as a race.
#include <link.h>
#include <sys/mman.h>

#include <cstring>

#include "internal.h"

namespace cuemu::check {

void shared_read(const void* code, size_t offset, size_t bytes);  // check_banks.cpp
void forget_reads();

const bool on = true;
bool paused = false;

namespace {

/// Who and when, in one word: phase (32 bits) | thread of its block (10) | epoch of its warp (20) | flags
/// (2). A phase is the time of one block between two of its barriers; phases count up over all launches, so
/// older is smaller.
using Stamp = uint64_t;
constexpr Stamp kAtomic = 1, kInFlight = 2;
uint64_t phase_of(Stamp s) { return s >> 32; }
int thread_of(Stamp s) { return static_cast<int>(s >> 22 & 1023); }
uint64_t epoch_of(Stamp s) { return s >> 2 & 0xfffff; }

// In the place of a stamp of a write (all below the first phase):
constexpr Stamp kUnallocated = 0, kUnwritten = 1, kFreed = 2, kByHost = 3;
bool is_stamp(Stamp s) { return phase_of(s) > 0; }

struct Cell {
  Stamp write;
  Stamp read[2];  // [1] from another thread than [0], the farther from it the better: see remember_read
};

uint64_t phase = 1, first_of_block = 1, first_of_launch = 1;
size_t dynamic_bytes = 0;  // of shared memory, that the launch asked for

Cell* device_cells = nullptr;
/// Static __shared__ variables are thread_local here, so shared memory is this thread's part of the program's
/// TLS.
struct Shared {
  const char* base = nullptr;
  size_t bytes = 0;
  Cell* cells = nullptr;
} shared;
struct Image {
  const char *begin = nullptr, *end = nullptr;  // of the program: constants and __device__ variables
} image;

Cell* map_cells(size_t bytes) {
  void* mapped = mmap(nullptr, (bytes + 1) / 2 * sizeof(Cell), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) fatal("no address space for the record of accesses");
  return static_cast<Cell*>(mapped);
}

Stamp stamp() {
  const int id = running->id;
  return phase << 32 | static_cast<Stamp>(id) << 22 |
         static_cast<Stamp>(block.warp[id / 32].epoch & 0xfffff) << 2;
}

enum class Space { device, shared };

/// Whether nothing orders an earlier access before one of this thread now.
inline bool unordered(Stamp earlier, Stamp now, Space space) {
  if (phase_of(earlier) < first_of_launch) return false;
  if (phase_of(earlier) < first_of_block) return space == Space::device;  // another block of this launch
  if (thread_of(earlier) == thread_of(now)) return false;
  if (phase_of(earlier) < phase) return false;
  return thread_of(earlier) / 32 != thread_of(now) / 32 || epoch_of(earlier) == epoch_of(now);
}

/// A later write must come after every read. Two are enough to notice: any writer is unordered with one of
/// them if it is with any, as long as [1] is kept from another block, else from another warp, else from
/// another lane.
void remember_read(Cell& cell, Stamp now) {
  Stamp& last = cell.read[0];
  Stamp& other = cell.read[1];
  const auto distance = [&](Stamp s) {
    if (phase_of(s) < first_of_launch) return 0;
    if (phase_of(s) < first_of_block) return 4;
    if (phase_of(s) < phase || thread_of(s) == thread_of(now)) return 0;
    if (thread_of(s) / 32 != thread_of(now) / 32) return 3;
    return epoch_of(s) == epoch_of(now) ? 2 : 1;
  };
  if (distance(last) > distance(other)) other = last;
  last = now;
}

std::string place(const void* address, Space space) {
  if (space == Space::device) return describe_address(address);
  const auto* byte = static_cast<const unsigned char*>(address);
  if (byte >= dyn_smem && byte < dyn_smem + kSharedMost)
    return "byte " + std::to_string(byte - dyn_smem) + " of dynamic shared memory";
  return "static shared memory";
}

const char* verb(Access kind) {
  return kind == Access::read ? "reads" : kind == Access::write ? "writes" : "updates atomically";
}

[[noreturn, gnu::cold, gnu::noinline]] void accuse(const void* address, size_t bytes, Access kind,
                                                   Space space, const void* code, const std::string& why) {
  paused = true;
  fault(*running,
        std::string(verb(kind)) + " " + plural(static_cast<int64_t>(bytes), "byte") + ", " +
            place(address, space) + ": " + why,
        describe_code(code));
}

[[gnu::cold, gnu::noinline]] std::string race(Stamp earlier, const char* did) {
  if (phase_of(earlier) < first_of_block) return std::string("a race, another block of this launch ") + did;
  return std::string("a race, ") + thread_name(thread_of(earlier)) + " " + did + ", and no " +
         (thread_of(earlier) / 32 == running->id / 32 ? "__syncwarp" : "__syncthreads") + " is in between";
}

template <Access kind, Space space>
void check_cells(Cell* cells, size_t offset, const void* address, size_t bytes, const void* code) {
  const auto blame = [&](const std::string& why) { accuse(address, bytes, kind, space, code, why); };
  const Stamp now = stamp();
  Cell* const end = cells + (offset + bytes - 1) / 2 + 1;
  for (Cell* cell = cells + offset / 2; cell != end; ++cell) {
    if (kind == Access::read && cell->read[0] == now) continue;  // as before, and nobody wrote since
    if (kind == Access::write && cell->write == now && cell->read[0] == 0) continue;
    Stamp written = cell->write;
    if (space == Space::shared && phase_of(written) < first_of_block) written = kUnwritten;
    if (written == kUnallocated) blame("nobody allocated it");
    if (written == kFreed) blame("it was freed");
    if (written == kUnwritten && kind != Access::write) blame("nobody has written it");
    if (is_stamp(written) && written & kInFlight && phase_of(written) >= first_of_block)
      blame("a cp.async of " + thread_name(thread_of(written)) +
            " to it is under way; __pipeline_wait_prior comes later");
    if (bytes == 1) {  // its cell's other byte may be another thread's
      if (kind != Access::read) *cell = {now, {0, 0}};
      continue;
    }
    if (is_stamp(written) && !(kind == Access::atomic && written & kAtomic) && unordered(written, now, space))
      blame(race(written, "wrote it"));
    if (kind == Access::read) {
      remember_read(*cell, now);
      continue;
    }
    for (const Stamp reader : cell->read)
      if (reader && unordered(reader, now, space)) blame(race(reader, "read it"));
    *cell = {now | (kind == Access::atomic ? kAtomic : 0), {0, 0}};
  }
}

void set_cells(const void* address, size_t bytes, Stamp write) {
  if (bytes == 0) return;
  const auto offset = static_cast<size_t>(static_cast<const char*>(address) - arena.base);
  Cell* const end = device_cells + (offset + bytes - 1) / 2 + 1;
  for (Cell* cell = device_cells + offset / 2; cell != end; ++cell) *cell = {write, {0, 0}};
}

/// Shared memory and the program's image, where this thread of the host has them.
void find_program() {
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void*) {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& part = info->dlpi_phdr[i];
          const char* begin = reinterpret_cast<const char*>(info->dlpi_addr + part.p_vaddr);
          if (part.p_type == PT_LOAD) {
            if (!image.begin || begin < image.begin) image.begin = begin;
            image.end = std::max(image.end, begin + part.p_memsz);
          } else if (part.p_type == PT_TLS) {
            if (!shared.cells) shared.cells = map_cells(part.p_memsz);
            shared.base = static_cast<const char*>(info->dlpi_tls_data);
            shared.bytes = part.p_memsz;
          }
        }
        return 1;  // the program comes first; its libraries hold no kernels
      },
      nullptr);
}

}  // namespace

void reserve(const Arena& memory) { device_cells = map_cells(memory.bytes); }
void allocated(const void* address, size_t bytes) { set_cells(address, bytes, kUnwritten); }
void released(const void* address, size_t bytes) { set_cells(address, bytes, kFreed); }
void written_by_host(const void* address, size_t bytes) { set_cells(address, bytes, kByHost); }

void copied(const void* to, const void* from, size_t bytes) {
  const auto cell = [](const void* p) {
    return device_cells + (static_cast<const char*>(p) - arena.base) / 2;
  };
  for (size_t i = 0; i < (bytes + 1) / 2; ++i)
    cell(to)[i] = {cell(from)[i].write == kUnwritten ? kUnwritten : kByHost, {0, 0}};
}

void by_library(const char* call, const void* address, size_t bytes, Access kind) {
  if (kind != Access::read) return set_cells(address, bytes, kByHost);
  const auto offset = static_cast<size_t>(static_cast<const char*>(address) - arena.base);
  for (size_t i = offset / 2; i <= (offset + bytes - 1) / 2; ++i)
    if (device_cells[i].write == kUnwritten)
      fatal(std::string(call) + " reads " + describe_address(arena.base + 2 * i) + ": nobody has written it");
}

void launch_begins(const Launch& launch) {
  find_program();
  dynamic_bytes = launch.config.dynamicSmemBytes;
  first_of_launch = phase + 1;
}
void block_begins() {
  first_of_block = ++phase;
  forget_reads();
}
void block_synchronised() {
  ++phase;
  block_ends();
}
void block_ends() {
  for (int warp = 0; warp * 32 < block.threads; ++warp) warp_met(warp);
}

namespace {

template <Access kind>
[[gnu::noinline]] void access_beyond_stack(const void* address, size_t bytes, const void* code) {
  const auto* p = static_cast<const char*>(address);
  if (const auto offset = static_cast<size_t>(p - shared.base); offset < shared.bytes) {
    const auto in_dynamic = static_cast<size_t>(static_cast<const unsigned char*>(address) - dyn_smem);
    if (in_dynamic < kSharedMost && in_dynamic + bytes > dynamic_bytes)
      accuse(address, bytes, kind, Space::shared, code,
             "the launch asked for " + plural(static_cast<int64_t>(dynamic_bytes), "byte"));
    check_cells<kind, Space::shared>(shared.cells, offset, address, bytes, code);
    if (kind == Access::read) shared_read(code, offset, bytes);
  } else if (arena.contains(address)) {
    check_cells<kind, Space::device>(device_cells, static_cast<size_t>(p - arena.base), address, bytes, code);
  } else if (stacks().contains(address)) {
    accuse(address, bytes, kind, Space::device, code, "that is the local memory of another thread");
  } else if (p >= image.begin && p < image.end) {
    // a constant, or the emulator's own threadIdx
  } else if (const auto* launch = reinterpret_cast<const char*>(block.launch);
             kind != Access::read || p < launch || p + bytes > launch + block.launch->bytes) {
    accuse(address, bytes, kind, Space::device, code, "that is the host's memory");
  }
}

}  // namespace

void access(const void* address, size_t bytes, Access kind, const void* code) {
  if (!running || paused || bytes == 0) return;
  if (static_cast<size_t>(static_cast<const char*>(address) - running->local) < Stacks::kBytes) return;
  if (kind == Access::read) {
    access_beyond_stack<Access::read>(address, bytes, code);
  } else if (kind == Access::write) {
    access_beyond_stack<Access::write>(address, bytes, code);
  } else {
    access_beyond_stack<Access::atomic>(address, bytes, code);
  }
}

void copy_issued(const void* to, size_t bytes, const void* code) {
  access(to, bytes, Access::write, code);
  const auto offset = static_cast<size_t>(static_cast<const char*>(to) - shared.base);
  if (offset >= shared.bytes) return;
  for (size_t i = 0; i < bytes / 2; ++i) shared.cells[offset / 2 + i].write |= kInFlight;
}

void copy_arrives(const void* to, size_t bytes) {
  const auto offset = static_cast<size_t>(static_cast<const char*>(to) - shared.base);
  if (offset >= shared.bytes) return;
  for (size_t i = 0; i < bytes / 2; ++i) shared.cells[offset / 2 + i] = {stamp(), {0, 0}};
}

}  // namespace cuemu::check
