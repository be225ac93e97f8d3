// scca patterns, as a user runs it.
#include <doctest/doctest.h>

#include <set>

#include "nn/patterns/pattern.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {
const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
}

TEST_CASE("patterns: a plan is printed as documented and read back as a spec") {
  const TemporaryFolder folder;
  const RunResult printed = run_scca({"patterns", "scca-fixed(chunk=8)", "--tokens", "31", "--heads", "8",
                                      "--png", (folder / "p.png").string()});
  const json plan = printed.json();
  for (const char* key :
       {"tokens", "heads", "causal", "visible_pairs", "one_layer_share", "layers_to_full", "empty_rows"})
    CHECK(plan.contains(key));
  CHECK(plan["tokens"] == 31);
  CHECK(plan["heads"].size() == 8);
  CHECK(plan["visible_pairs"].size() == 8);
  CHECK(std::filesystem::file_size(folder / "p.png") > 1000);
  const std::string file = (folder / "plan.json").string();
  write_file(file, printed.out);
  CHECK(run_scca({"patterns", "@" + file, "--tokens", "31", "--heads", "8"}).json() == plan);
  std::string ids = "5";
  for (int i = 0; i < 30; ++i) ids += "," + std::to_string(400 + i);
  const auto logits = [&](const std::string& spec) {
    return run_scca({"logits", "--model", kModel, "--ids", ids, "--attention", spec, "--json"}).json();
  };
  CHECK(logits("@" + file) == logits("scca-fixed(chunk=8)"));
  CHECK(logits("@" + file) != logits("full"));
  CHECK(plan["reach_by_layer"].size() == 4);
  const std::string picture = (folder / "layers.png").string();
  const json layers = run_scca({"patterns", "full@1;local(chunk=4)", "--tokens", "8", "--heads", "2",
                                "--layers", "3", "--png", picture})
                          .json();
  CHECK(layers["layer"] == 0);
  CHECK(layers["reach_by_layer"] == json::parse("[0.5555555555555556, 1.0, 1.0]"));
  CHECK(std::filesystem::file_size(picture) > 1000);
  CHECK(run_scca({"patterns", "full@3;local", "--tokens", "8", "--heads", "2", "--layers", "3"}).code == 2);
  CHECK(
      run_scca({"patterns", "local", "--tokens", "4097", "--heads", "1"}).json()["reach_by_layer"].is_null());
  CHECK(run_scca({"patterns", "full@0;local", "--tokens", "8", "--heads", "2", "--layer", "1"})
            .json()["layers_to_full"]
            .is_null());
}

TEST_CASE("patterns: --causal off draws and prints both directions") {
  const test::TemporaryFolder folder;
  const auto plan = [&](const char* causal) {
    return run_scca({"patterns", "window(chunk=2)", "--tokens", "4", "--heads", "1", "--causal", causal,
                     "--png", (folder / "p.png").string()})
        .json();
  };
  CHECK(plan("on")["causal"] == true);
  CHECK(plan("off")["causal"] == false);
  // 10 of 16 pairs in one layer; a step each way a layer
  CHECK(plan("off")["reach_by_layer"] == json::parse("[0.625, 0.875, 1.0, 1.0]"));
  CHECK(run_scca({"patterns", "local", "--tokens", "4", "--heads", "1", "--causal", "no"}).code == 2);
}

TEST_CASE("patterns: logits --causal off lets a position see what is behind it, and has no loss") {
  const auto first = [](const char* ids, const char* causal, const char* spec) {
    return run_scca({"logits", "--model", kModel, "--ids", ids, "--all", "--json", "--causal", causal,
                     "--attention", spec})
        .json();
  };
  const json a = first("1,5,7,9", "on", "full"), b = first("1,5,7,8", "on", "full");
  CHECK(a["logits"][0] == b["logits"][0]);
  CHECK(a["loss"].is_number());
  const json both = first("1,5,7,9", "off", "full");
  CHECK(both["logits"][0] != first("1,5,7,8", "off", "full")["logits"][0]);
  CHECK(both["loss"].is_null());
  // one chunk of two and one of two: the first does not see the last
  CHECK(first("1,5,7,9", "off", "local(chunk=2)")["logits"][0] ==
        first("1,5,7,8", "off", "local(chunk=2)")["logits"][0]);
}

TEST_CASE("patterns: patterns without a spec lists what there is") {
  const RunResult listed = run_scca({"patterns"});
  CHECK(listed.code == 0);
  CHECK(listed.err.empty());
  const json all = run_scca({"patterns", "--json"}).json()["patterns"];
  std::set<std::string> names;
  for (const json& pattern : all) names.insert(pattern["name"]);
  for (const PatternEntry& entry : registered_patterns())  // the tests' program has some of its own besides
    CHECK((names.contains(entry.name) || entry.summary.starts_with("for the tests:")));
  for (const json& pattern : all) {
    const std::string name = pattern["name"], summary = pattern["summary"];
    CAPTURE(name);
    CHECK(listed.out.find("  " + name + " ") != std::string::npos);
    CHECK(listed.out.find(summary.substr(0, 20)) != std::string::npos);
    for (const json& parameter : pattern["parameters"])
      if (parameter["name"].is_string())
        CHECK(listed.out.find(parameter["name"].get<std::string>() + ": ") != std::string::npos);
    const std::string example = pattern["examples"][0];
    CHECK(run_scca({"patterns", example, "--tokens", "31", "--heads", "4"}).code == 0);
  }
  CHECK(listed.out.find("chunk: tokens or a fraction of the sequence (1/4)") != std::string::npos);
  CHECK(listed.out.find("sinks: a whole number from 0 up (0)") != std::string::npos);
  CHECK(run_scca({"patterns", "--json"}).json()["every_pattern_takes"][0]["name"] == "sinks");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"patterns", "--tokens", "9"},
                                                {"patterns", "--png", "x.png"},
                                                {"patterns", "", "--tokens", "9", "--heads", "2"}}) {
    const RunResult result = run_scca(words);
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
  }
}

TEST_CASE("patterns: a spec that does not parse shows where") {
  for (const std::string spec : {"local(chunk=0)", "lcoal", "local(", "sda(dilation=0)", "local(chnk=3)"}) {
    const RunResult result = run_scca({"patterns", spec, "--tokens", "9", "--heads", "2"});
    CAPTURE(spec);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.find(spec) != std::string::npos);
    CHECK(result.err.find('^') != std::string::npos);
  }
}
