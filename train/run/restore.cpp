#include "train/run/restore.h"

#include <iostream>

#include "core/check.h"

namespace scca {
namespace {

TrainState restored(const RunFolder& run, int64_t step, const std::filesystem::path& file,
                    const RunRecord& record, int64_t steps, const NamedTensors& tensors) {
  const Checkpoint checkpoint(file);
  const TrainState& state = checkpoint.state();
  SCCA_CHECK(state.step == step, file.string(), ": holds step ", state.step, ", not that of its name");
  check_same_settings(state.settings, record, run.name());
  if (state.step > steps)
    fail<UsageError>("--steps ", steps, ": ", run.name(), " has done ", state.step,
                     " steps; only more are possible");
  checkpoint.restore(tensors);
  return state;
}

}  // namespace

std::optional<TrainState> restore_newest(const RunFolder& run, const RunRecord& record, int64_t steps,
                                         const NamedTensors& tensors) {
  const auto all = run.checkpoints();
  std::vector<std::filesystem::path> damaged;
  for (auto entry = all.rbegin(); entry != all.rend(); ++entry) {
    try {
      TrainState state = restored(run, entry->first, entry->second, record, steps, tensors);
      for (const auto& file : damaged) run.set_aside(file);
      return state;
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      damaged.push_back(entry->second);
      std::cerr << "note: " << error.what() << "; trying the checkpoint before it\n";
    }
  }
  if (!damaged.empty())
    fail(run.name(), ": no whole checkpoint is left; remove ", (run.path() / "checkpoints").string(),
         " to start over");
  return std::nullopt;
}

}  // namespace scca
