#pragma once
// What people hand over as a model's folder or an adapter's, when it is not one.
#include <filesystem>
#include <string>
#include <string_view>

#include "core/check.h"

namespace scca {

/// True for a file that holds weights by its ending: .safetensors, .gguf, .bin, .pt, .pth.
bool is_weights_file(const std::filesystem::path& path);

/// True for what a fine-tuning or pretraining run leaves: its adapter or model lies in a folder of its own in
/// it.
bool is_run_folder(const std::filesystem::path& path);

/// One line on why no model can be read from `path`, where `wanted` (config.json, ...) is missing: a name on
/// the Hugging Face hub, a file, an adapter (with the base that it names), a run's folder, weights of a
/// format that is not read; with what to do.
Message why_no_model(const std::filesystem::path& path, const std::string& wanted);

/// The folder with adapter_config.json and adapter_model.safetensors that `path` stands for: itself, or
/// adapter/ in it where it is a fine-tuning run's folder. Throws Error as why_no_model, and for an adapter in
/// adapter_model.bin.
std::filesystem::path adapter_folder(const std::filesystem::path& path);

/// Copies what belongs to a model beside its weights and config.json, where the folder `from` has it: the
/// tokenizer's files, the chat templates, how it is sampled from.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace scca
