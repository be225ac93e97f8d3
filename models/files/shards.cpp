#include "models/files/shards.h"

#include <algorithm>
#include <set>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

std::vector<std::vector<TensorSpec>> cut(const std::vector<TensorSpec>& specs, uint64_t most_bytes) {
  std::vector<std::vector<TensorSpec>> shards(1);
  uint64_t bytes = 0;
  for (const TensorSpec& spec : specs) {
    if (!shards.back().empty() && bytes + bytes_of(spec) > most_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += bytes_of(spec);
    shards.back().push_back(spec);
  }
  return shards;
}

/// "00002"
std::string five_digits(size_t number) {
  const std::string digits = std::to_string(number);
  return std::string(5 - std::min<size_t>(5, digits.size()), '0') + digits;
}

/// "model-00001-of-00002.safetensors" and the like
bool is_shard(const std::string& name) {
  const std::string form = "model-#####-of-#####.safetensors";
  return std::ranges::equal(name, form,
                            [](char c, char f) { return f == '#' ? c >= '0' && c <= '9' : c == f; });
}

void remove_other_shards(const fs::path& folder, const std::set<std::string>& ours) {
  std::vector<fs::path> others;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const std::string name = entry.path().filename().string(); is_shard(name) && !ours.contains(name))
      others.push_back(entry.path());
  for (const fs::path& path : others) fs::remove(path);
}

}  // namespace

void write_shards(const std::filesystem::path& folder, const std::vector<TensorSpec>& specs,
                  const std::function<Tensor(const std::string&)>& make, uint64_t most_bytes) {
  const std::vector<std::vector<TensorSpec>> shards = cut(specs, most_bytes);
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (shards.size() == 1) {
    write_safetensors(single, specs, make);  // readers take it before an index
    fs::remove(index);
    return remove_other_shards(folder, {});
  }
  fs::remove(index);  // it may name shards that are about to be replaced: no mixture may pass for a model
  std::set<std::string> names;
  Json places = Json::object();
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name =
        concat("model-", five_digits(i + 1), "-of-", five_digits(shards.size()), ".safetensors");
    names.insert(name);
    write_safetensors(folder / name, shards[i], make);
    for (const TensorSpec& spec : shards[i]) {
      places[spec.name] = name;
      total += bytes_of(spec);
    }
  }
  fs::remove(single);  // of an earlier save, and whole until here
  // Last: a folder without it has no model yet.
  write_file(index, Json{{"metadata", {{"total_size", total}}}, {"weight_map", places}}.dump(2) + "\n");
  remove_other_shards(folder, names);
}

}  // namespace scca
