#pragma once
// Whether an adapter is put onto the base that it was made on.
#include <filesystem>
#include <string>

#include "models/adapter_config.h"

namespace scca {

/// One sentence when the model in `base_folder` seems to be another base than the adapter's; "" when nothing
/// says so. The fingerprint decides where the adapter has one (PEFT's have none), else the name: the last
/// part of the path or of the hub's OWNER/NAME, whatever its case.
std::string other_base(const AdapterInfo& info, const std::filesystem::path& base_folder);

}  // namespace scca
