#include "train/bench/profile.h"

#include <doctest/doctest.h>

#include "core/file.h"
#include "tests/run_scca.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("bench profile: the rows are the step, by its kernels and what lies between") {
  const TemporaryFolder folder;
  const std::string trace = (folder.path() / "trace.json").string();
  const RunResult run = run_scca({"bench", "profile", "--context", "65", "--json", "--trace", trace});
  REQUIRE(run.code == 0);
  const nlohmann::json profile = run.json();
  double seconds = 0, flops = 0;
  std::map<std::string, nlohmann::json> rows;
  for (const nlohmann::json& row : profile["kernels"]) {
    seconds += row["seconds"].get<double>();
    flops += row["flops"].get<double>();
    CHECK(row["seconds"] >= 0);
    rows[row["kernel"]] = row;
  }
  CHECK(seconds == doctest::Approx(profile["seconds"].get<double>()));
  for (const char* kernel :
       {"matmul", "attention_forward", "attention_backward", "rms_norm_forward", "adamw", kBetween})
    CHECK(rows.contains(kernel));
  // The demo's model: of each of 5 layers one attention, and 2 norms and one at the end; the adapters of q, k
  // and v read a norm that is remade for them.
  CHECK(rows["attention_forward"]["calls"] == 5);
  CHECK(rows["rms_norm_forward"]["calls"] == 11 + 5 * 3);
  // 8 heads of width 32, 65 * 66 / 2 pairs a head
  CHECK(rows["attention_forward"]["flops"] == 5 * 4.0 * 32 * 8 * (65 * 66 / 2));
  // q, k, v, the output and a number for each query and head; outputs twice
  CHECK(rows["attention_forward"]["bytes"] == 5 * (3 * 65 * 256 * 4 + 2 * (65 * 256 * 4 + 65 * 8 * 4)));
  for (const auto& [kernel, row] : rows) {
    const double floor = std::max(row["flops"].get<double>() / profile["matmul_gflops"].get<double>(),
                                  row["bytes"].get<double>() / profile["copy_gb_per_s"].get<double>()) *
                         1e-9;
    CHECK(row["floor_seconds"].get<double>() == doctest::Approx(floor));
  }
  // What Perfetto asks of a complete event.
  const nlohmann::json events = nlohmann::json::parse(read_text_file(trace))["traceEvents"];
  size_t calls = 0;
  for (const auto& [kernel, row] : rows) calls += row["calls"].get<size_t>();
  CHECK(events.size() == calls);
  double last = 0;
  for (const nlohmann::json& event : events) {
    CHECK(event["ph"] == "X");
    CHECK(event["ts"] >= last);
    CHECK(event["dur"] >= 0);
    last = event["ts"];
  }
  CHECK(events[0]["args"]["in"].is_string());
}

TEST_CASE("bench profile: the table ends with the step, and refuses what it cannot do") {
  const RunResult run = run_scca({"bench", "profile", "--context", "33", "--attention", "local(chunk=16)"});
  REQUIRE(run.code == 0);
  CHECK(run.out.find("one step of 33 tokens, local(chunk=16)") == 0);
  CHECK(run.out.find("100.0 %") != std::string::npos);
  CHECK(run_scca({"bench", "profile", "--attention", "nosuch"}).code == 2);
  CHECK(run_scca({"bench", "profile", "--context", "33", "--trace", "/nowhere/trace.json"}).code == 1);
}
