// Bank conflicts, from the addresses of a warp's reads of shared memory. It has 32 banks of 4 bytes, and a
// bank gives one word at a time: lanes that read other words of the same bank wait for one another. Reads of
// 8 and 16 bytes go through 16 and 8 lanes at a time, ldmatrix through one matrix of 8 rows (NVIDIA's forums
// and Nsight's guide; the programming guide says it of 4 bytes). A read takes as many turns as its worst bank
// has words; a kernel is held to what it allows (core/ptx.cuh), which is 1 where it says nothing.
//
// Lanes run one after another here, from one meeting of their warp to the next. What they read between two
// meetings is noted, and then put side by side: the same instructions in the same order. The C++ compiler
// reads a float4 in four parts: parts that follow one another, in every lane and aligned, are taken as the
// one wide read that nvcc makes of them.
#include <algorithm>
#include <vector>

#include "internal.h"

namespace cuemu::check {
namespace {

constexpr int kLanes = 32, kBanks = 32;
constexpr uint32_t kWord = 4;

struct Read {
  const void* code;
  uint32_t offset, bytes;
};

/// One instruction of a warp.
struct WarpRead {
  const void* code;
  uint32_t bytes, lanes;  // of each lane; which lanes
  uint32_t offset[kLanes];

  bool holds(int lane) const { return lanes >> lane & 1; }
};

std::vector<Read> reads[kMaxThreads];  // since the thread's warp last met
std::vector<WarpRead> merged;
int allowed = 1;

/// Each lane's reads join those of the lanes before it where they come from the same code in the same order.
void put_side_by_side(int warp) {
  merged.clear();
  for (int lane = 0; lane < kLanes; ++lane) {
    size_t at = 0;
    for (const Read& read : reads[warp * kLanes + lane]) {
      size_t next = at;
      while (next < merged.size() && (merged[next].code != read.code || merged[next].bytes != read.bytes))
        ++next;
      if (next == merged.size()) {
        next = std::min(at, merged.size());
        merged.insert(merged.begin() + static_cast<std::ptrdiff_t>(next), {read.code, read.bytes, 0, {}});
      }
      merged[next].lanes |= 1u << lane;
      merged[next].offset[lane] = read.offset;
      at = next + 1;
    }
  }
}

/// Whether `second` goes on in every lane where `first` ends, and both are one aligned read.
bool continues(const WarpRead& first, const WarpRead& second) {
  const uint32_t both = first.bytes + second.bytes;
  if (first.lanes != second.lanes || first.bytes != second.bytes || first.bytes < kWord || both > 16)
    return false;
  for (int lane = 0; lane < kLanes; ++lane)
    if (first.holds(lane) &&
        (second.offset[lane] != first.offset[lane] + first.bytes || first.offset[lane] % both != 0))
      return false;
  return true;
}

/// Neighbours twice: parts of 4 bytes become 8, and 8 become 16.
void widen() {
  for (int round = 0; round < 2; ++round) {
    size_t kept = 0;
    for (size_t i = 0; i < merged.size(); ++i, ++kept) {
      merged[kept] = merged[i];
      if (i + 1 < merged.size() && continues(merged[i], merged[i + 1]))
        merged[kept].bytes += merged[++i].bytes;
    }
    merged.resize(kept);
  }
}

/// The turns that a read takes.
int turns(const WarpRead& read) {
  const int together = read.bytes <= kWord ? 32 : read.bytes <= 8 ? 16 : 8;
  int most = 0;
  for (int first = 0; first < kLanes; first += together) {
    uint32_t words[kBanks][kLanes];
    int count[kBanks] = {};
    for (int lane = first; lane < first + together; ++lane) {
      if (!read.holds(lane)) continue;
      for (uint32_t at = read.offset[lane] / kWord; at * kWord < read.offset[lane] + read.bytes; ++at) {
        uint32_t* const known = words[at % kBanks];
        int& n = count[at % kBanks];
        if (std::find(known, known + n, at) == known + n) known[n++] = at;
      }
    }
    most = std::max(most, *std::max_element(count, count + kBanks));
  }
  return most;
}

}  // namespace

void allow_bank_conflicts(int ways) { allowed = ways; }

void shared_read(const void* code, size_t offset, size_t bytes) {
  reads[running->id].push_back({code, static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes)});
}

void warp_met(int warp) {
  put_side_by_side(warp);
  for (int lane = 0; lane < kLanes; ++lane) reads[warp * kLanes + lane].clear();
  widen();
  for (const WarpRead& read : merged) {
    const int taken = turns(read);
    if (taken <= allowed) continue;
    fault(block.thread[warp * kLanes],
          "its warp reads " + plural(read.bytes, "byte") + " a lane of shared memory in " +
              std::to_string(taken) + " turns, by bank conflicts, and this kernel allows " +
              std::to_string(allowed) + "; pad the rows, or say allow_bank_conflicts(" +
              std::to_string(taken) + ")",
          describe_code(read.code));
  }
}

void forget_reads() {
  allowed = 1;
  for (std::vector<Read>& of_thread : reads) of_thread.clear();
}

}  // namespace cuemu::check
