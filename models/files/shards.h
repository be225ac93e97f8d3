#pragma once
// A model's tensors as transformers' save_pretrained writes them: one model.safetensors, or shards and their
// index where they are larger than a shard may be.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "models/files/safetensors.h"

namespace scca {

inline constexpr uint64_t kShardBytes = 5'000'000'000;

/// Into `folder`, which exists. The tensors are made one at a time, as write_safetensors makes them. A shard
/// takes tensors in the order of `specs` until the next would exceed `most_bytes`; a larger one stands alone.
/// A model that lies there already is replaced, with its shards: at any moment the folder holds the weights
/// of one save or, between those of a sharded one, none that can be read. Throws as write_safetensors.
void write_shards(const std::filesystem::path& folder, const std::vector<TensorSpec>& specs,
                  const std::function<Tensor(const std::string& name)>& make,
                  uint64_t most_bytes = kShardBytes);

}  // namespace scca
