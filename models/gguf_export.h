#pragma once
// A model, or an adapter alone, as a GGUF file that llama.cpp runs.
#include <filesystem>
#include <string>

#include "models/files/gguf.h"
#include "models/llama.h"

namespace scca {

/// Adds the model's settings (models/gguf_model.h), general.file_type and all weights to `content`, which
/// holds what is known of its tokenizer. Matrices are in `dtype`: F32, F16, Q8_0 or Q4_0. As llama.cpp has
/// it, norms and biases stay f32, embedding and head have eight bits where the rest has four, and a matrix
/// whose rows no blocks fill is f16. Reads the weights when the content is written: the model must live until
/// then. LoRA must have been merged. Throws Error as set_gguf_config.
void add_gguf_model(GgufContent& content, const Llama& model, const std::string& dtype);

/// Adds LoRA's A and B of a model that carries them, as llama.cpp's LoRA files have them: its scale is alpha
/// / rank, so that alpha is that of the first layer that has one other than 0, and another layer's difference
/// goes into its B. Throws Error when there is no LoRA.
void add_gguf_adapter(GgufContent& content, const Llama& model);

}  // namespace scca
