#pragma once
// --checkpointing auto: of as many layers as fit the activations are kept, and only the others run again in
// backward. The plan of a step (train/run/memory.h) says what fits. Any choice gives the same bits; each
// layer kept spares a step the time of its second forward.
#include <cstdint>

#include "train/run/memory.h"

namespace scca {

/// Of the bytes that are `available` those that a step may fill: all but a sixteenth, and never the last 256
/// MB. They are left to what the counters do not see: libraries' workspaces, the program and its data, a
/// driver's kernels. 0 where nothing is known (-1): then auto checkpoints all, since a run that dies is
/// dearer than one that takes a third longer.
int64_t room_for_step(int64_t available);
/// What a model's step may fill on its device now.
int64_t room_for_step(const Llama& model);

/// Of the weights those that are read from a mapped file. A step wants them in memory, but the system counts
/// their pages as free.
int64_t mapped_bytes(const Llama& model);

/// The step that keeps the most layers of those whose plans take at most `room` bytes beside what is `there`
/// already; with all layers checkpointed where none does. The last layers are kept (ForwardOptions says why).
StepPlan fullest_step(const MakeModel& make, const TrainSettings& settings, int64_t room, There there);

/// Under auto the fullest step of that room; else the one that the settings ask for.
StepPlan chosen_step(const MakeModel& make, const TrainSettings& settings, int64_t room, There there);

}  // namespace scca
