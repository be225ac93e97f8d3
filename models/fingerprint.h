#pragma once
// Which base it is: told by what its tensors hold, not by where it lies.
#include <cstdint>
#include <string>

#include "models/weights.h"

namespace scca {

struct Fingerprint {
  uint64_t hash = 0;
  int64_t bytes = 0;  // that were read for it: all of them

  /// "0123456789abcdef of 1063424 bytes"
  std::string to_string() const;
};

/// Of every tensor's name, dtype, shape and bytes. Every byte is read, by all threads: about what a first
/// forward pass reads anyway, at some 5 GB/s each where the file is in memory already.
Fingerprint fingerprint_of(const Weights& weights);

}  // namespace scca
