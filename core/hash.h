#pragma once
// A 64-bit hash for telling data apart and for noticing damage; not against intent.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace scca {

/// The same value at any thread count. Two inputs of one length that differ within one aligned word of eight
/// bytes always have different values (each word enters by a bijection of the running value), others with a
/// chance of 2^-64. Large inputs are read by all threads, at some 5 GB/s each.
uint64_t hash_bytes(const void* data, size_t bytes, uint64_t seed = 0);
inline uint64_t hash_text(std::string_view text, uint64_t seed = 0) {
  return hash_bytes(text.data(), text.size(), seed);
}

/// Sixteen digits: "0123456789abcdef".
std::string hexadecimal(uint64_t value);

}  // namespace scca
