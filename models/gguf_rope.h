#pragma once
// How a GGUF file says that positions are scaled: by settings (rope.scaling.*), or, for LLaMA 3.1, by a
// tensor of divisors alone.
#include <string>

#include "models/config.h"
#include "models/files/gguf.h"
#include "nn/json.h"

namespace scca {

inline constexpr char kGgufDivisors[] = "rope_freqs.weight";

/// config.json's rope_scaling for the settings `own` of the architecture and the file's divisors, over
/// frequencies of base `theta`; null for none. Throws Error for a type that is not read, for divisors that
/// are not LLaMA 3.1's, and for both at once.
Json gguf_rope_scaling(const GgufFile& file, const JsonFields& own, double theta);

/// The way back; the settings stand behind `prefix`. Throws Error for RoPE that the format has no words for.
void set_gguf_rope_scaling(GgufContent& content, const LlamaConfig& config, const std::string& prefix);

}  // namespace scca
