#include "models/files/shards.h"

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"

namespace scca {
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

}  // namespace

void write_shards(const std::filesystem::path& folder, const std::vector<TensorSpec>& specs,
                  const std::function<Tensor(const std::string&)>& make, uint64_t most_bytes) {
  const std::vector<std::vector<TensorSpec>> shards = cut(specs, most_bytes);
  if (shards.size() == 1) return write_safetensors(folder / "model.safetensors", specs, make);
  Json places = Json::object();
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name =
        concat("model-", five_digits(i + 1), "-of-", five_digits(shards.size()), ".safetensors");
    write_safetensors(folder / name, shards[i], make);
    for (const TensorSpec& spec : shards[i]) {
      places[spec.name] = name;
      total += bytes_of(spec);
    }
  }
  // Last: a folder without it has no model yet.
  write_file(folder / "model.safetensors.index.json",
             Json{{"metadata", {{"total_size", total}}}, {"weight_map", places}}.dump(2) + "\n");
}

}  // namespace scca
