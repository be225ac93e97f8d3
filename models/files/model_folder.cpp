#include "models/files/model_folder.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/file.h"
#include "models/files/gguf.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

constexpr char kAdapterConfig[] = "adapter_config.json", kAdapterWeights[] = "adapter_model.safetensors";

/// OWNER/NAME, as the hub calls its repositories.
bool looks_like_hub_name(const std::string& path) {
  const size_t slash = path.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < path.size() &&
         path.find('/', slash + 1) == std::string::npos && path[0] != '.' && path[0] != '~' &&
         path.find_first_of(" \\") == std::string::npos;
}

Message not_there(const fs::path& path, const char* expected) {
  const std::string name = path.string();
  if (!looks_like_hub_name(name)) return concat(name, ": no such folder; expected ", expected, "'s folder");
  const std::string local = path.filename().string();
  return concat(
      name, ": no such folder. If that is a name on the Hugging Face hub, download it first (hf download ",
      name, " --local-dir ", local, ") and give the folder ", local);
}

/// The first file in the folder with one of these endings, or "".
std::string file_ending(const fs::path& folder, const std::set<std::string>& endings) {
  std::set<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (endings.contains(entry.path().extension().string())) found.insert(entry.path().filename().string());
  return found.empty() ? "" : *found.begin();
}

bool is_adapter(const fs::path& folder) {
  return fs::exists(folder / kAdapterConfig) || fs::exists(folder / kAdapterWeights) ||
         fs::exists(folder / "adapter_model.bin");
}

/// The base that an adapter names; a damaged file names none.
std::string base_of(const fs::path& folder) {
  try {
    const fs::path file = folder / kAdapterConfig;
    const Json json = parse_json(read_text_file(file), file.string());
    const auto base = JsonFields(json, file.string()).text("base_model_name_or_path");
    if (base && !base->empty()) return short_text(Json(*base));
  } catch (const std::exception&) {
  }
  return "BASE_FOLDER";
}

Message adapter_not_model(const fs::path& path, const fs::path& folder, const char* what) {
  return message_of(path.string(), ": is ", what, ", not a model; give ", Setting("model"), " ",
                    base_of(folder), " ", Setting("adapter"), " ", path.string());
}

Message file_not_folder(const fs::path& path, const char* expected) {
  if (is_gguf(path)) return concat(path.string(), ": is a GGUF file, expected ", expected, "'s folder");
  return concat(path.string(), ": is a file; give the folder that it lies in, ", expected, "'s");
}

/// What the folder holds in place of what was looked for; "" when nothing is recognised.
std::string other_weights(const fs::path& folder) {
  if (const std::string file = file_ending(folder, {".gguf"}); !file.empty())
    return concat("; to use its ", file, ", give that file");
  if (const std::string file = file_ending(folder, {".bin", ".pt", ".pth"}); !file.empty())
    return concat("; ", file, " is not read: save it as safetensors (transformers' save_pretrained does)");
  return "";
}

}  // namespace

bool is_weights_file(const fs::path& path) {
  static const std::set<std::string> kEndings{".safetensors", ".gguf", ".bin", ".pt", ".pth"};
  return fs::is_regular_file(path) && kEndings.contains(path.extension().string());
}

bool is_run_folder(const fs::path& path) {
  return !is_adapter(path) && !fs::exists(path / "model.safetensors") &&
         (is_adapter(path / "adapter") || fs::exists(path / "model" / "config.json"));
}

Message why_no_model(const fs::path& path, const std::string& wanted) {
  if (!fs::exists(path)) return not_there(path, "a model");
  if (!fs::is_directory(path)) return file_not_folder(path, "a model");
  if (is_adapter(path)) return adapter_not_model(path, path, "an adapter");
  if (is_adapter(path / "adapter"))
    return adapter_not_model(path, path / "adapter", "a fine-tuning run's folder");
  if (fs::exists(path / "model" / "config.json"))
    return concat(path.string(), ": is a run's folder; give ", (path / "model").string());
  return concat(path.string(), ": no ", wanted, " in it", other_weights(path));
}

fs::path adapter_folder(const fs::path& path) {
  if (!fs::exists(path)) fail(not_there(path, "an adapter"));
  if (!fs::is_directory(path)) fail(file_not_folder(path, "an adapter"));
  const fs::path folder = is_run_folder(path) && is_adapter(path / "adapter") ? path / "adapter" : path;
  if (fs::exists(folder / kAdapterConfig) && fs::exists(folder / kAdapterWeights)) return folder;
  if (fs::exists(folder / "adapter_model.bin") && !fs::exists(folder / kAdapterWeights))
    fail(folder.string(),
         ": adapter_model.bin is not read: save it as safetensors (PEFT's save_pretrained does)");
  const bool model = !is_adapter(folder) && fs::exists(folder / "config.json");
  if (model) fail(folder.string(), ": is a model, not an adapter; give it as ", Setting("model"), " alone");
  fail(folder.string(), ": no ", fs::exists(folder / kAdapterConfig) ? kAdapterWeights : kAdapterConfig,
       " in it");
}

void copy_companions(const fs::path& from, const fs::path& to) {
  static constexpr const char* kFiles[] = {"tokenizer.model",
                                           "tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "added_tokens.json",
                                           "vocab.json",
                                           "merges.txt",
                                           "chat_template.jinja",
                                           "chat_template.json",
                                           "generation_config.json"};
  for (const char* name : kFiles)
    if (fs::exists(from / name)) write_file(to / name, read_text_file(from / name));
  // Templates beside the usual one, by name ("tool_use").
  constexpr char kTemplates[] = "additional_chat_templates";
  if (!fs::is_directory(from / kTemplates)) return;
  fs::create_directories(to / kTemplates);
  for (const auto& entry : fs::directory_iterator(from / kTemplates))
    if (entry.is_regular_file() && entry.path().extension() == ".jinja")
      write_file(to / kTemplates / entry.path().filename(), read_text_file(entry.path()));
}

}  // namespace scca
