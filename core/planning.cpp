#include "core/planning.h"

#include <atomic>
#include <numeric>

#include "core/check.h"
#include "core/dispatch.h"
#include "core/planned_memory.h"
#include "core/recorder.h"

namespace scca {
namespace {
thread_local Planning* current = nullptr;
thread_local bool within_kernel = false;
std::atomic<uint64_t> last_id = 0;
}  // namespace

int64_t PlannedPeak::total() const { return std::accumulate(bytes.begin(), bytes.end(), int64_t{0}); }

std::string PlannedPeak::kernel_name() const {
  return RecordedCall{.call = call ? call : ""}.kernel();
}

Planning::Planning(Count what)
    : what_(what),
      id_(++last_id),
      memories_{std::make_shared<PlannedMemory>(), std::make_shared<PlannedMemory>()} {
  SCCA_CHECK(!current, "planning: this thread plans already");
  current = this;
}

Planning::~Planning() {
  current = nullptr;
  set_random_state(random_);
}

const PlannedPeak& Planning::peak(Device device) const { return memory(device).peak(); }

Planning* planning() { return current; }
uint64_t planning_id() { return current ? current->id() : 0; }

void count_flops(const char* kernel, double flops) {
  if (current && current->counts_flops()) current->flops_[kernel] += flops;
  Recorder* recorder = Recorder::of_this_thread();
  if (!current && recorder) recorder->flops_[kernel] += flops;
}

void plan_kernel(const char* call) {
  for (const auto& memory : current->memories_) memory->name_kernel(call);
}

bool in_kernel() { return within_kernel; }

KernelScope::KernelScope(const char* call) : before_(within_kernel) {
  within_kernel = true;
  if (Recorder* recorder = Recorder::of_this_thread()) recorder->begin(call);
}

KernelScope::~KernelScope() {
  within_kernel = before_;
  if (Recorder* recorder = Recorder::of_this_thread()) recorder->finish();
}

bool flops_counted() { return current ? current->counts_flops() : Recorder::of_this_thread() != nullptr; }

}  // namespace scca
