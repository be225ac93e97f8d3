#include "train/run/checkpoint.h"

#include "core/check.h"
#include "core/memory.h"
#include "nn/json.h"

namespace scca {

void write_checkpoint(const std::filesystem::path& file, const TrainState& state,
                      const NamedTensors& tensors) {
  // Seeds are 64-bit: as text they survive readers that hold numbers as doubles.
  const nlohmann::json random{{"seed", std::to_string(state.random.seed)},
                              {"draw", std::to_string(state.random.draw)}};
  write_safetensors(file, tensors,
                    {{"format", "scca-checkpoint"},
                     {kContentHash, ""},
                     {"step", std::to_string(state.step)},
                     {"random", random.dump()},
                     {"settings", state.settings.dump()}});
}

Checkpoint::Checkpoint(const std::filesystem::path& file) : stored_(file) {
  stored_.check_content();
  const auto& metadata = stored_.metadata();
  try {
    state_.step = std::stoll(metadata.at("step"));
    const nlohmann::json random = parse_json(metadata.at("random"), "random");
    state_.random.seed = std::stoull(random.at("seed").get<std::string>());
    state_.random.draw = std::stoull(random.at("draw").get<std::string>());
    state_.settings = parse_json(metadata.at("settings"), "settings");
  } catch (const std::exception&) {
    fail(file.string(), ": is no checkpoint: its metadata lacks a step, a random state or the settings");
  }
}

void Checkpoint::restore(NamedTensors tensors) const {
  const std::string file = stored_.path().string();
  for (const auto& [name, tensor] : tensors) {
    const auto found = stored_.tensors().find(name);
    SCCA_CHECK(found != stored_.tensors().end(), file, ": has no ", name, ", which this run trains");
    SCCA_CHECK(found->second.shape == tensor.shape() && found->second.dtype == stored_name(tensor.dtype()),
               file, ": ", name, " is ", found->second.dtype, " ", to_string(found->second.shape),
               ", expected ", stored_name(tensor.dtype()), " ", to_string(tensor.shape()));
  }
  SCCA_CHECK(stored_.tensors().size() == tensors.size(), file, ": holds ", stored_.tensors().size(),
             " tensors, this run has ", tensors.size());
  for (auto& [name, tensor] : tensors)
    SCCA_MEMORY(tensor.device(),
                copy_from_host(tensor.raw(), stored_.tensors().at(name).data, tensor.bytes()));
}

}  // namespace scca
