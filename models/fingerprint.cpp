#include "models/fingerprint.h"

#include "core/check.h"
#include "core/hash.h"

namespace scca {

std::string Fingerprint::to_string() const { return concat(hexadecimal(hash), " of ", bytes, " bytes"); }

Fingerprint fingerprint_of(const Weights& weights) {
  Fingerprint fingerprint;
  for (const std::string& name : weights.names()) {
    const StoredTensor& tensor = weights.stored(name);
    const uint64_t hash = hash_of(tensor);
    fingerprint.hash = hash_bytes(&hash, sizeof hash, hash_text(name, fingerprint.hash));
    fingerprint.bytes += static_cast<int64_t>(tensor.bytes);
  }
  return fingerprint;
}

}  // namespace scca
