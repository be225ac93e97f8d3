#include "train/run/checkpointing.h"

#include <algorithm>

namespace scca {

int64_t room_for_step(int64_t available) {
  constexpr int64_t kLeast = 512'000'000, kShare = 16;
  return std::max<int64_t>(available - std::max(kLeast, available / kShare), 0);
}

int64_t room_for_step(int64_t available, const Llama& model) {
  int64_t mapped = 0;
  Llama(model).for_each_parameter([&](const std::string&, const Tensor& weight) {
    if (weight.borrowed()) mapped += static_cast<int64_t>(weight.bytes());
  });
  return room_for_step(available - mapped);
}

StepPlan quickest_step(const MakeModel& make, const TrainSettings& settings, int64_t room, There there) {
  const auto fits = [&](const Checkpointing& checkpointing) {
    return still_needed(plan_step(make, settings, checkpointing, Planning::Count::memory), there) <= room;
  };
  if (fits(0)) return plan_step(make, settings, 0);
  StepPlan best = plan_step(make, settings, kAllLayers);
  for (const bool keeps_attention : {false, true}) {
    if (!fits({kAllLayers, keeps_attention})) break;  // the next keeps more
    int64_t fewest = best.layers, too_few = 0;
    while (fewest - too_few > 1) {
      const int64_t middle = (fewest + too_few) / 2;
      (fits({middle, keeps_attention}) ? fewest : too_few) = middle;
    }
    StepPlan found = plan_step(make, settings, {fewest, keeps_attention});
    if (found.total_flops() < best.total_flops()) best = std::move(found);
  }
  return best;
}

StepPlan chosen_step(const MakeModel& make, const TrainSettings& settings, int64_t room, There there) {
  return settings.checkpointing == "auto" ? quickest_step(make, settings, room, there)
                                          : plan_step(make, settings);
}

}  // namespace scca
