#pragma once
// Where a training step's time goes, kernel by kernel, beside the least that it could take.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/recorder.h"
#include "train/bench/bench.h"

namespace scca {

/// All calls of one kernel in a step.
struct ProfileRow {
  std::string kernel;  // or kBetween
  int64_t calls = 0;
  double flops = 0, bytes = 0;  // as core/recorder.h counts them
  double seconds = 0;
  double floor = 0;  // seconds: FLOPs at the rate of products, bytes at that of a copy, whichever is more

  double gap() const { return floor > 0 ? seconds / floor : 0; }
};

/// What lies between kernels: allocation, autograd, plans.
inline constexpr const char* kBetween = "(between kernels)";

struct Profile {
  StepFigure step;                              // the one that was recorded; seconds are its
  double unrecorded_seconds = 0;                // the best of those before it, without a recorder
  double matmul_gflops = 0, copy_gb_per_s = 0;  // of the same run
  std::vector<ProfileRow> rows;                 // the longest first; together the step's seconds
  std::vector<RecordedCall> calls;
};

/// One step on the CPU after others that warm up.
Profile measure_profile(const LlamaConfig& config, const StepOptions& options);

nlohmann::json to_json(const Profile& profile);
std::string to_text(const Profile& profile);
/// In the trace event format of Chrome (complete events, microseconds), which ui.perfetto.dev opens.
std::string to_trace(const Profile& profile);

}  // namespace scca
