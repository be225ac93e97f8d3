#include "models/adapter_base.h"

#include <algorithm>
#include <cctype>

#include "core/check.h"
#include "models/fingerprint.h"
#include "nn/json.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

/// "Llama-2-7b-hf" of /models/Llama-2-7b-hf/, meta-llama/Llama-2-7b-hf and of the hub's cache,
/// .../models--meta-llama--Llama-2-7b-hf/snapshots/0123abcd; in small letters.
std::string name_of_base(const std::string& path) {
  std::string name;
  for (const fs::path& part : fs::path(path).lexically_normal()) {
    if (part.empty()) continue;
    name = part.string();
    if (name.starts_with("models--")) {
      name = name.substr(name.rfind("--") + 2);
      break;
    }
  }
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

}  // namespace

std::string other_base(const AdapterInfo& info, const fs::path& base_folder) {
  if (!info.base_fingerprint.empty()) {
    const std::string here = fingerprint_of(Weights(base_folder)).to_string();
    if (here == info.base_fingerprint) return "";
    return concat("the adapter was made on other weights: ", short_text(Json(info.base_model)),
                  ", fingerprint ", info.base_fingerprint, "; ", base_folder.string(), " has ", here);
  }
  const std::string theirs = name_of_base(info.base_model);
  if (theirs.empty() || theirs == name_of_base(fs::absolute(base_folder).string())) return "";
  return concat("the adapter names ", short_text(Json(info.base_model)),
                " as its base, and nothing tells whether ", base_folder.string(), " is the same");
}

}  // namespace scca
