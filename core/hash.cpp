#include "core/hash.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/parallel.h"

namespace scca {
namespace {

constexpr size_t kBlock = size_t{1} << 18;  // bytes; part of the definition
constexpr size_t kWord = sizeof(uint64_t), kLanes = 8;
constexpr std::array<uint64_t, kLanes> kStarts = {
    0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu, 0xd6e8feb86659fd93u,
    0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu, 0x8ebc6af09c88c6e3u, 0x589965cc75374cc3u};

/// A bijection in `word` for each `hash`, and in `hash` for each `word`.
uint64_t mixed(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9fb21c651e98df25u;
  return hash ^ (hash >> 32);
}

/// The words go to eight values in turn, so that their products overlap in time.
uint64_t hash_block(const std::byte* data, size_t bytes) {
  std::array<uint64_t, kLanes> lanes = kStarts;
  size_t at = 0;
  for (; at + kLanes * kWord <= bytes; at += kLanes * kWord) {
    std::array<uint64_t, kLanes> words;
    std::memcpy(words.data(), data + at, sizeof words);
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = mixed(lanes[lane], words[lane]);
  }
  for (size_t lane = 0; at < bytes; ++lane, at += kWord) {
    uint64_t word = 0;
    std::memcpy(&word, data + at, std::min(kWord, bytes - at));
    lanes[lane] = mixed(lanes[lane], word);
  }
  uint64_t hash = bytes;  // a shorter block is no longer one of zeros
  for (const uint64_t lane : lanes) hash = mixed(hash, lane);
  return hash;
}

}  // namespace

uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed) {
  const std::byte* begin = static_cast<const std::byte*>(data);
  const auto blocks = static_cast<int64_t>((bytes + kBlock - 1) / kBlock);
  std::vector<uint64_t> hashes(static_cast<size_t>(blocks));
  parallel_for(blocks, 2, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const size_t at = static_cast<size_t>(i) * kBlock;
      hashes[static_cast<size_t>(i)] = hash_block(begin + at, std::min(kBlock, bytes - at));
    }
  });
  uint64_t hash = mixed(seed + kStarts[0], bytes);
  for (const uint64_t block : hashes) hash = mixed(hash, block);
  // The last bits of the last words have to reach all others.
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

std::string hexadecimal(uint64_t value) {
  std::string digits(16, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, value >>= 4)
    *digit = "0123456789abcdef"[value & 15];
  return digits;
}

}  // namespace scca
