#pragma once
// The flags of every command that loads a model, and what they load.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "models/llama.h"
#include "models/tokenizer/tokenizer.h"

namespace CLI {
class App;
}

namespace scca {

struct SettingRow;  // train/cli/setting_table.h, which is long to compile
using SettingTable = std::vector<SettingRow>;

struct ModelFlags {
  std::string model, adapter;
  std::string rope = {};  // a type; empty: as the model's or the adapter's config.json has it
  std::optional<double> rope_factor = {};
  std::string dtype = "f32", device = "auto";
  std::string base_dtype = "same";  // models/base_dtype.h
};

/// --dtype and --device.
SettingTable device_settings(ModelFlags& flags);
/// --base-dtype.
SettingRow base_dtype_setting(ModelFlags& flags);
/// --model, --base-dtype, RoPE's (train/cli/rope_flags.h) and the device's: those of a command that makes an
/// adapter.
SettingTable model_settings(ModelFlags& flags);

/// Those, --threads and --adapter.
void add_model_flags(CLI::App& app, ModelFlags& flags);
/// The same for a command that adds an adapter into its base exactly, in f32: without --dtype, --base-dtype.
void add_exact_model_flags(CLI::App& app, ModelFlags& flags);
/// --dtype, --device and --threads alone.
void add_device_flags(CLI::App& app, ModelFlags& flags);

DType dtype_of(const ModelFlags& flags);
/// What the flag means on this machine. Throws Error saying why when it says cuda and there is none to use.
Device device_of(const ModelFlags& flags);

/// The base model with its adapter, on the device of the flags, with RoPE as with_rope_flags
/// (train/cli/rope_flags.h) has it at `context` tokens; 0 when there is no such length. Throws UsageError for
/// flags that do not fit, Error naming a file that does not.
Llama load_model(const ModelFlags& flags, int64_t context = 0);

/// tokenizer.model or tokenizer.json of the model's folder, and the tokens that the folder adds.
Tokenizer load_tokenizer(const ModelFlags& flags);

}  // namespace scca
