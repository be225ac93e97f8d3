#pragma once
// --checkpointing auto: of as many layers as fit the activations are kept, and only the others run again in
// backward; of those attention's results are kept where that spares more. The plan of a step
// (train/run/memory.h) says what fits and what it computes. Any choice gives the same bits.
#include <cstdint>

#include "train/run/memory.h"

namespace scca {

/// Of the bytes that are `available` those that a step may fill: all but a sixteenth, and never the last 512
/// MB. They are left to what the counters do not see: libraries' workspaces, the program and its data, a
/// driver's kernels; 430 MB were measured beside a step of 4096 tokens of a model of 135M. 0 where nothing is
/// known (-1): then auto checkpoints all, since a run that dies is dearer than one that takes a third longer.
int64_t room_for_step(int64_t available);
/// The same for a step of a model that is there. Those of its weights that are read from a mapped file are
/// wanted in memory, but the system counts their pages as available.
int64_t room_for_step(int64_t available, const Llama& model);

/// The step of the fewest FLOPs among those whose plans take at most `room` bytes beside what is `there`
/// already, by the number of checkpointed layers and by what is kept of these; the least, all layers
/// checkpointed and their inputs kept, where none does.
StepPlan quickest_step(const MakeModel& make, const TrainSettings& settings, int64_t room, There there);

/// Under auto the quickest step of that room; else the one that the settings ask for.
StepPlan chosen_step(const MakeModel& make, const TrainSettings& settings, int64_t room, There there);

}  // namespace scca
