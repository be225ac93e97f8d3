#pragma once
// Going on with a run: from its newest checkpoint that is whole.
#include <optional>

#include "train/run/checkpoint.h"
#include "train/run/run_folder.h"
#include "train/run/settings.h"

namespace scca {

/// Copies the newest whole checkpoint's values into `tensors` and returns its state; nothing where the run
/// has no checkpoint. A damaged one (its header, its data, its metadata, cut short, of other tensors) is
/// named in a note that says why, and the one before it is taken; from then on it is called *.damaged. Throws
/// UsageError when the checkpoint was made with other settings (check_same_settings) or has more than `steps`
/// steps, and Error when checkpoints are there and none is whole. Then the folder is as it was.
std::optional<TrainState> restore_newest(const RunFolder& run, const RunRecord& record, int64_t steps,
                                         const NamedTensors& tensors);

}  // namespace scca
