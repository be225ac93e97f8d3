#include "core/hash.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <vector>

#include "core/random.h"

using namespace scca;

namespace {

std::vector<uint8_t> some_bytes(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(philox(7, i, 0)[0]);
  return bytes;
}

uint64_t hash_of(const std::vector<uint8_t>& bytes, uint64_t seed = 0) {
  return hash_bytes(bytes.data(), bytes.size(), seed);
}

constexpr size_t kBlock = size_t{1} << 18;

}  // namespace

TEST_CASE("hash: every flipped bit is seen, and changes about half of the value") {
  for (const size_t size :
       {size_t{1}, size_t{7}, size_t{8}, size_t{31}, size_t{33}, size_t{129}, size_t{1025}}) {
    std::vector<uint8_t> bytes = some_bytes(size);
    const uint64_t whole = hash_of(bytes);
    double changed = 0;
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      const uint64_t flipped = hash_of(bytes);
      REQUIRE(flipped != whole);
      changed += std::popcount(flipped ^ whole);
      bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
    CAPTURE(size);
    // Of 64 bits 32 change, with a deviation of 4 for one flip: six of them for the mean of 8 * size.
    CHECK(std::abs(changed / static_cast<double>(8 * size) - 32) <
          6 * 4 / std::sqrt(8.0 * static_cast<double>(size)));
  }
}

TEST_CASE("hash: a flip in any block, the first bytes, the last and the seams") {
  std::vector<uint8_t> bytes = some_bytes(5 * kBlock + 33);
  const uint64_t whole = hash_of(bytes);
  for (const size_t at : {size_t{0}, kBlock - 1, kBlock, 3 * kBlock + 12345, 5 * kBlock, bytes.size() - 1}) {
    bytes[at] ^= 4;
    CAPTURE(at);
    CHECK(hash_of(bytes) != whole);
    bytes[at] ^= 4;
  }
  std::swap_ranges(bytes.begin(), bytes.begin() + kBlock, bytes.begin() + kBlock);
  CHECK(hash_of(bytes) != whole);
}

TEST_CASE("hash: lengths, seeds and near inputs do not meet") {
  std::set<uint64_t> seen;
  size_t count = 0;
  const std::vector<uint8_t> zeros(4096);
  for (size_t size = 0; size <= zeros.size(); ++size, ++count) seen.insert(hash_bytes(zeros.data(), size));
  for (uint64_t seed = 1; seed <= 4096; ++seed, ++count) seen.insert(hash_bytes(zeros.data(), 100, seed));
  // pairs of flips in the same and in different lanes
  std::vector<uint8_t> bytes(128);
  for (size_t a = 0; a < 1024; ++a)
    for (size_t b = 0; b < a; b += 7, ++count) {
      bytes[a / 8] ^= static_cast<uint8_t>(1 << a % 8);
      bytes[b / 8] ^= static_cast<uint8_t>(1 << b % 8);
      seen.insert(hash_of(bytes, 99));
      bytes.assign(128, 0);
    }
  CHECK(seen.size() == count);
}

TEST_CASE("hash: the same at any thread count") {
  const std::vector<uint8_t> bytes = some_bytes(7 * kBlock + 5);
  const int threads = omp_get_max_threads();
  std::set<uint64_t> seen;
  for (const int count : {1, 2, 3, 8}) {
    omp_set_num_threads(count);
    seen.insert(hash_of(bytes));
  }
  omp_set_num_threads(threads);
  CHECK(seen.size() == 1);
}

// The values are part of files: a checkpoint that was written yesterday must still be whole today.
TEST_CASE("hash: its values stay") {
  CHECK(hexadecimal(hash_text("")) == "19fc5bc47bf4e25c");
  CHECK(hexadecimal(hash_text("scca")) == "9684ec4e70273ec7");
  CHECK(hexadecimal(hash_of(some_bytes(kBlock + 9), 5)) == "f430d51247ad7659");
  CHECK(hexadecimal(0x1f) == "000000000000001f");
}
