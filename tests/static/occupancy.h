#pragma once
// How many blocks of a kernel fit on one multiprocessor of a card, by NVIDIA's own calculator
// (cuda_occupancy.h).
#include <cstddef>
#include <vector>

namespace scca::test {

struct Occupancy {
  int blocks = 0;  // on one multiprocessor; 0: the kernel cannot run there
  int warps = 0, most_warps = 0;
};

/// The architectures that it knows, by compute capability: 80 (A100), 90 (H100), 100 (B200).
const std::vector<int>& known_archs();

/// Throws Error for another architecture.
Occupancy occupancy(int arch, int threads, int registers, size_t static_shared, size_t dynamic_shared);

}  // namespace scca::test
