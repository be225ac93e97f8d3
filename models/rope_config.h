#pragma once
// The RoPE settings of a Hugging Face config.json, in its two forms:
//   older  "rope_theta": b, "rope_scaling": null or {"type" or "rope_type": ..., "factor": ..., ...}
//   newer  "rope_parameters": {"rope_type": ..., "rope_theta": b, "factor": ..., ...}
#include "nn/json.h"
#include "nn/rope_scaling.h"

namespace scca {

/// Reads either form; with both present they must agree. Throws Error naming the file and the key; also for a
/// key that is not known, and for settings of each kind of layers ("full_attention": {...}).
RopeScaling read_rope(const JsonFields& config, int64_t max_position_embeddings);

/// Sets both forms in `config`. A type that no reader knows (ntk) is written as plain RoPE with the theta
/// that equals it.
void write_rope(const RopeScaling& rope, int64_t head_dim, Json& config);

}  // namespace scca
