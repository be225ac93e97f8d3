// Blocks one after another; a block's threads as fibers that run until they wait. The stack of ready threads
// is last in, first out: a warp that can go on does, as far ahead of the others as the barriers let it, which
// is where a missing barrier shows. CUEMU_SEED: 0 threads in order, 1 in reverse, above that shuffled at each
// release.
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "internal.h"

// kept apart from the launch's request: what a block does not ask for it must not touch
alignas(128) thread_local unsigned char dyn_smem[cuemu::kSharedMost];

uint3 thread_index asm("cuemu_thread_index");
uint3 block_index asm("cuemu_block_index");
dim3 block_size asm("cuemu_block_size");
dim3 grid_size asm("cuemu_grid_size");

namespace cuemu {

Block block;
Thread* running = nullptr;

namespace {

void* scheduler_stack;
int ready[kMaxThreads];
int ready_count;
uint64_t random_state;

uint64_t seed() {
  const char* set = std::getenv("CUEMU_SEED");
  return set ? std::strtoull(set, nullptr, 10) : 0;
}
uint64_t order;

uint32_t next_random() {  // xorshift64*
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return static_cast<uint32_t>(random_state * 0x2545f4914f6cdd1dULL >> 32);
}

/// Puts the `count` threads just pushed into the order of the seed; the last one runs first.
void arrange(int count) {
  int* pushed = ready + ready_count - count;
  if (order == 0) {
    std::reverse(pushed, pushed + count);
  } else if (order > 1) {
    for (int i = count - 1; i > 0; --i)
      std::swap(pushed[i], pushed[static_cast<uint64_t>(next_random()) * static_cast<uint32_t>(i + 1) >> 32]);
  }
}

void go_on_with(Thread& thread) {
  running = &thread;
  thread_index = thread.index;
}

/// Leaves the running thread, which waits or has finished, for the next that is ready.
void leave() {
  Thread& me = *running;
  if (ready_count == 0) {
    running = nullptr;
    cuemu_switch(&me.stack, scheduler_stack);
  } else {
    Thread& next = block.thread[ready[--ready_count]];
    go_on_with(next);
    if (&next != &me) cuemu_switch(&me.stack, next.stack);
  }
}

void thread_main() {
  block.launch->call();
  finish_copies(*running);
  running->state = Thread::State::finished;
  ++block.finished;
  leave();
  std::abort();  // nobody makes a finished thread ready
}

void start_block(const Launch& launch) {
  const dim3 size = launch.config.blockDim;
  block.launch = &launch;
  block.threads = static_cast<int>(size.x * size.y * size.z);
  block.finished = block.waiting = block.predicates = 0;
  uint3 index{};
  for (int id = 0; id < block.threads; ++id) {
    Thread& thread = block.thread[id];
    thread = {fresh_stack(stacks().end(id), thread_main),
              stacks().begin(id),
              id,
              Thread::State::ready,
              index,
              {},
              nullptr,
              0,
              0};
    if (++index.x == size.x) {
      index.x = 0;
      if (++index.y == size.y) {
        index.y = 0;
        ++index.z;
      }
    }
    ready[id] = id;
  }
  ready_count = block.threads;
  arrange(block.threads);
  for (int w = 0; w * 32 < block.threads; ++w) {
    Warp& warp = block.warp[w];
    const int lanes = std::min(32, block.threads - w * 32);
    warp.lanes = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warp.epoch = 0;
    for (auto& group : warp.groups) group.arrived = 0;
  }
  std::memset(dyn_smem, 0xff,
              launch.config.dynamicSmemBytes);  // NaN: a block finds nothing of the last one's
  check::block_begins();
}

/// What keeps a thread from coming to where others wait for it.
std::string whereabouts(const Thread& thread) {
  if (thread.state == Thread::State::finished) return thread_name(thread.id) + " has returned";
  return thread_name(thread.id) + " is in " + thread.what + " at " + describe(thread.site);
}

/// Nobody can run, and not all have finished: somebody waits for a thread that will not come.
[[noreturn]] void report_deadlock() {
  using State = Thread::State;
  // a warp first: it may be what the block waits for
  for (int id = 0; id < block.threads; ++id) {
    const Thread& thread = block.thread[id];
    if (thread.state != State::waits_for_warp) continue;
    for (const auto& group : block.warp[id / 32].groups) {
      if (!(group.arrived >> id % 32 & 1)) continue;
      const int missing = id / 32 * 32 + std::countr_zero(group.mask & ~group.arrived);
      fault(thread, std::string(group.what) + " waits for ever: " + whereabouts(block.thread[missing]),
            describe(group.site));
    }
  }
  const Thread *waits = nullptr, *missing = nullptr;
  for (int id = 0; id < block.threads; ++id) {
    const Thread& thread = block.thread[id];
    (thread.state == State::waits_for_block ? waits : missing) = &thread;
  }
  fault(*waits, std::string(waits->what) + " waits for ever: " + whereabouts(*missing),
        describe(waits->site));
}

void run_block(const Launch& launch) {
  start_block(launch);
  Thread& first = block.thread[ready[--ready_count]];
  go_on_with(first);
  cuemu_switch(&scheduler_stack, first.stack);
  if (block.finished != block.threads) report_deadlock();
  check::block_ends();
}

bool same(const Site& a, const Site& b) {
  return a.line() == b.line() && !std::strcmp(a.file_name(), b.file_name());
}

/// The running thread comes to a barrier of the block; returns when all have come.
void wait_for_block(const char* what, Site site) {
  Thread& me = *running;
  me.what = what;
  me.site = site;
  if (block.waiting == 0) {
    block.site = site;
  } else if (!same(block.site, site)) {
    fault(me,
          std::string("divergent barrier: this thread is at ") + describe(site) +
              ", others of its block at " + describe(block.site),
          describe(site));
  }
  me.state = Thread::State::waits_for_block;
  if (++block.waiting == block.threads) {
    block.waiting = 0;
    block.counted = block.predicates;
    block.predicates = 0;
    check::block_synchronised();
    for (int id = 0; id < block.threads; ++id) {
      block.thread[id].state = Thread::State::ready;
      ready[id] = id;
    }
    ready_count = block.threads;
    arrange(block.threads);
  }
  leave();
}

/// The running lane comes to where those of `mask` meet. True for the last one, which then calls release().
bool last_of_warp(const char* what, uint32_t mask, Site site) {
  Thread& me = *running;
  Warp& warp = block.warp[me.id / 32];
  const uint32_t bit = 1u << me.id % 32;
  if (!(mask & bit))
    fault(me, std::string(what) + " with a mask that leaves out the calling lane", describe(site));
  if (mask & ~warp.lanes)
    fault(me,
          std::string(what) + " with a mask that names lane " +
              std::to_string(std::countr_zero(mask & ~warp.lanes)) + ", but the warp has " +
              plural(std::popcount(warp.lanes), "lane"),
          describe(site));
  auto& group = warp.groups[std::countr_zero(mask)];
  if (group.arrived == 0) {
    group = {mask, 0, what, site};
  } else if (group.mask != mask || !same(group.site, site) || group.what != what) {
    fault(me,
          std::string("divergent warp: this lane is in ") + what + ", others of its mask in " + group.what +
              " at " + describe(group.site),
          describe(site));
  }
  group.arrived |= bit;
  me.what = what;
  me.site = site;
  if (group.arrived != mask) return false;
  if (mask == warp.lanes) check::warp_met(me.id / 32);
  return true;
}

void wait_for_warp() {
  running->state = Thread::State::waits_for_warp;
  leave();
}

void release(Warp& warp, uint32_t mask) {
  warp.groups[std::countr_zero(mask)].arrived = 0;
  const int first = static_cast<int>(&warp - block.warp) * 32;
  const int before = ready_count;
  for (uint32_t left = mask; left; left &= left - 1) {
    const int id = first + std::countr_zero(left);
    block.thread[id].state = Thread::State::ready;
    ready[ready_count++] = id;
  }
  arrange(ready_count - before);
  leave();
}

constexpr char kBarrier[] = "__syncthreads", kWarpBarrier[] = "__syncwarp", kShuffle[] = "a shuffle";

}  // namespace

uint64_t last_blocks() {
  static const char* const set = std::getenv("CUEMU_LAST_BLOCKS");
  return set ? std::strtoull(set, nullptr, 10) : 0;
}

Stacks& stacks() {
  static Stacks* made = new Stacks;
  return *made;
}

void run_launch(const Launch& launch) {
  stacks();
  order = seed();
  random_state = 0x9e3779b97f4a7c15ULL * (order + 1);
  block_size = launch.config.blockDim;
  grid_size = launch.config.gridDim;
  check::launch_begins(launch);
  const dim3 grid = launch.config.gridDim;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z, most = last_blocks();
  for (uint64_t i = most && most < blocks ? blocks - most : 0; i < blocks; ++i) {
    const uint64_t b = order == 1 ? blocks - 1 - i : i;
    block_index = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                   static_cast<unsigned>(b / grid.x / grid.y)};
    run_block(launch);
  }
  running = nullptr;
}

int lane() { return running->id % 32; }

void barrier(Site site) {
  if (!skipped(site, kBarrier)) wait_for_block(kBarrier, site);
}

int barrier_count(bool predicate, Site site) {
  block.predicates += predicate;
  wait_for_block(kBarrier, site);
  return block.counted;
}

void warp_barrier(uint32_t mask, Site site) {
  if (skipped(site, kWarpBarrier)) return;
  Warp& warp = block.warp[running->id / 32];
  if (!last_of_warp(kWarpBarrier, mask, site)) return wait_for_warp();
  if (mask == warp.lanes) ++warp.epoch;  // only then is all that the warp wrote in order
  release(warp, mask);
}

uint64_t exchange(uint32_t mask, uint64_t bits, int source, Site site) {
  const int me = running->id % 32;
  Warp& warp = block.warp[running->id / 32];
  if (source < 0 || source > 31 || !(mask >> source & 1))
    fault(*running, "a shuffle from lane " + std::to_string(source) + ", which its mask leaves out",
          describe(site));
  warp.value[me] = bits;
  warp.source[me] = static_cast<int8_t>(source);
  if (last_of_warp(kShuffle, mask, site)) {
    for (uint32_t left = mask; left; left &= left - 1) {
      const int to = std::countr_zero(left);
      warp.result[to] = warp.value[warp.source[to]];
    }
    release(warp, mask);
  } else {
    wait_for_warp();
  }
  return warp.result[me];
}

void collective(const char* name, uint32_t mask, void* argument, Complete complete, Site site) {
  Warp& warp = block.warp[running->id / 32];
  warp.value[running->id % 32] = reinterpret_cast<uint64_t>(argument);
  if (!last_of_warp(name, mask, site)) return wait_for_warp();
  void* arguments[32] = {};
  for (int i = 0; i < 32; ++i)
    if (mask >> i & 1) arguments[i] = reinterpret_cast<void*>(warp.value[i]);
  check::paused = true;  // it works on all lanes' registers, which are other threads' stacks
  complete(arguments, mask);
  check::paused = false;
  release(warp, mask);
}

void trap(const char* what, Site site) { fault(*running, what, describe(site)); }

}  // namespace cuemu
