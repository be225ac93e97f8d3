#include "train/bench/profile.h"

#include <algorithm>
#include <map>

#include "core/parallel.h"
#include "train/bench/bandwidth.h"
#include "train/report/table.h"

namespace scca {
namespace {

constexpr int64_t kCopyBytes = int64_t{256} << 20;  // beyond the caches
constexpr double kShown = 0.001;                    // of a step: what is less is one row of the table

std::vector<ProfileRow> rows_of(const Recorder& recorder, double seconds) {
  std::map<std::string, ProfileRow> rows;
  double inside = 0;
  for (const RecordedCall& call : recorder.calls()) {
    ProfileRow& row = rows[call.kernel()];
    ++row.calls;
    row.seconds += call.seconds();
    row.bytes += call.bytes;
    inside += call.seconds();
  }
  for (const auto& [kernel, flops] : recorder.flops()) rows[kernel].flops = flops;
  rows[kBetween].seconds = seconds - inside;
  std::vector<ProfileRow> all;
  for (auto& [kernel, row] : rows) {
    row.kernel = kernel;
    all.push_back(row);
  }
  std::ranges::stable_sort(all, std::greater(), &ProfileRow::seconds);
  return all;
}

void add(ProfileRow& to, const ProfileRow& row) {
  to.calls += row.calls;
  to.flops += row.flops;
  to.bytes += row.bytes;
  to.seconds += row.seconds;
  to.floor += row.floor;
}

}  // namespace

Profile measure_profile(const LlamaConfig& config, const StepOptions& options) {
  Profile profile;
  BenchStep step(config, options);
  const double quiet = best_seconds(options.budget, [&] { step.run(); });
  {
    const Recorder recorder;
    step.run();
    profile.step = step.figure(recorder.now());
    profile.rows = rows_of(recorder, profile.step.seconds);
    profile.calls = recorder.calls();
  }
  profile.unrecorded_seconds = quiet;
  profile.matmul_gflops = matmul_gflops();
  profile.copy_gb_per_s = copy_gb_per_s(kCopyBytes, 0.5, Device::cpu);
  for (ProfileRow& row : profile.rows)
    row.floor = std::max(row.flops / profile.matmul_gflops, row.bytes / profile.copy_gb_per_s) * 1e-9;
  return profile;
}

nlohmann::json to_json(const Profile& profile) {
  nlohmann::json json{
      {"matmul_gflops", profile.matmul_gflops}, {"copy_gb_per_s", profile.copy_gb_per_s},
      {"pattern", profile.step.pattern},        {"tokens", profile.step.tokens},
      {"seconds", profile.step.seconds},        {"unrecorded_seconds", profile.unrecorded_seconds},
      {"kernels", nlohmann::json::array()}};
  for (const ProfileRow& row : profile.rows)
    json["kernels"].push_back({{"kernel", row.kernel},
                               {"calls", row.calls},
                               {"flops", row.flops},
                               {"bytes", row.bytes},
                               {"floor_seconds", row.floor},
                               {"seconds", row.seconds},
                               {"share", row.seconds / profile.step.seconds}});
  return json;
}

std::string to_text(const Profile& profile) {
  std::vector<std::vector<std::string>> table{
      {"kernel", "calls", "GFLOP", "MB", "floor ms", "measured ms", "share", "gap"}};
  const auto print = [&](const ProfileRow& row) {
    table.push_back({row.kernel, row.calls ? std::to_string(row.calls) : "",
                     row.flops > 0 ? fixed(row.flops * 1e-9, 1) : "",
                     row.bytes > 0 ? fixed(row.bytes * 1e-6, 0) : "",
                     row.floor > 0 ? fixed(row.floor * 1e3, 1) : "", fixed(row.seconds * 1e3, 1),
                     fixed(100 * row.seconds / profile.step.seconds, 1) + " %",
                     row.floor > 0 ? fixed(row.gap(), 2) : ""});
  };
  ProfileRow rest{.kernel = "(the rest)"}, all{.kernel = "step"};
  for (const ProfileRow& row : profile.rows) {
    add(all, row);
    row.seconds < kShown* profile.step.seconds ? add(rest, row) : print(row);
  }
  if (rest.calls > 0) print(rest);
  print(all);
  return concat("one step of ", profile.step.tokens, " tokens, ", profile.step.pattern, ", on ",
                thread_count(), " threads: ", fixed(profile.step.seconds, 3), " s (",
                fixed(profile.unrecorded_seconds, 3), " s unrecorded); products here run at ",
                fixed(profile.matmul_gflops, 0), " GFLOP/s, copies at ", fixed(profile.copy_gb_per_s, 0),
                " GB/s\n\n", format_table(table));
}

std::string to_trace(const Profile& profile) {
  nlohmann::json events = nlohmann::json::array();
  for (const RecordedCall& call : profile.calls)
    events.push_back({{"name", call.kernel()},
                      {"cat", call.where.to_string()},
                      {"ph", "X"},
                      {"ts", call.begin * 1e6},
                      {"dur", (call.end - call.begin) * 1e6},
                      {"pid", 1},
                      {"tid", 1},
                      {"args", {{"in", call.where.to_string()}, {"bytes", call.bytes}}}});
  return nlohmann::json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump();
}

}  // namespace scca
