// scca info: what this build is and what it runs on.
#include <dnnl.h>

#include <CLI/Version.hpp>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "core/device.h"
#include "core/parallel.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/threads_flag.h"
#include "train/report/table.h"
#include "train/run/rate.h"

namespace scca {
namespace {

struct Feature {
  std::string name;
  bool built_for, present;
};

/// What the kernels may use, and what oneDNN chooses by itself at run time.
std::vector<Feature> cpu_features() {
  std::vector<Feature> features;
#if defined(__x86_64__)
  bool avx2 = false, fma = false, avx512f = false, avx512bf16 = false;
#ifdef __AVX2__
  avx2 = true;
#endif
#ifdef __FMA__
  fma = true;
#endif
#ifdef __AVX512F__
  avx512f = true;
#endif
#ifdef __AVX512BF16__
  avx512bf16 = true;
#endif
  features = {{"avx2", avx2, __builtin_cpu_supports("avx2") != 0},
              {"fma", fma, __builtin_cpu_supports("fma") != 0},
              {"avx512f", avx512f, __builtin_cpu_supports("avx512f") != 0},
              {"avx512bf16", avx512bf16, __builtin_cpu_supports("avx512bf16") != 0}};
#endif
  return features;
}

nlohmann::json libraries() {
  const dnnl_version_t* dnnl = dnnl_version();
  return {{"oneDNN", concat(dnnl->major, ".", dnnl->minor, ".", dnnl->patch)},
          {"nlohmann-json", concat(NLOHMANN_JSON_VERSION_MAJOR, ".", NLOHMANN_JSON_VERSION_MINOR, ".",
                                   NLOHMANN_JSON_VERSION_PATCH)},
          {"CLI11", CLI11_VERSION},
          {"SentencePiece", SCCA_SENTENCEPIECE_VERSION},
          {"OpenMP", std::to_string(_OPENMP)},
          {"compiler", __VERSION__}};
}

nlohmann::json gather() {
  nlohmann::json features = nlohmann::json::array();
  for (const Feature& feature : cpu_features()) {
    features.push_back(
        {{"name", feature.name}, {"built_for", feature.built_for}, {"present", feature.present}});
  }
  nlohmann::json info{{"version", SCCA_VERSION},   {"devices", {"cpu"}},
                      {"threads", thread_count()}, {"cpu_features", features},
                      {"libraries", libraries()},  {"matmul_gflops", matmul_gflops()}};
  if (const std::string& why = why_unusable(Device::cuda); why.empty()) {
    const DeviceProperties& device = cuda_properties();
    info["devices"].push_back("cuda");
    info["cuda"] = {{"name", device.name},
                    {"compute_capability", concat(device.compute_major, ".", device.compute_minor)},
                    {"multiprocessors", device.multiprocessors},
                    {"memory_bytes", device.total_bytes}};
  } else {
    info["cuda"] = {{"missing", why}};
  }
  return info;
}

std::string describe_cuda(const nlohmann::json& cuda) {
  if (cuda.contains("missing")) return "no cuda: " + cuda["missing"].get<std::string>();
  return concat("cuda: ", cuda["name"].get<std::string>(), ", compute capability ",
                cuda["compute_capability"].get<std::string>(), ", ", cuda["multiprocessors"].get<int>(),
                " multiprocessors, ", fixed(cuda["memory_bytes"].get<double>() / 1e9, 1), " GB");
}

void print_readable(const nlohmann::json& info) {
  std::cout << "scca " << info["version"].get<std::string>() << "\n"
            << "devices: cpu (" << info["threads"] << " threads); " << describe_cuda(info["cuda"]) << "\n\n";
  std::vector<std::vector<std::string>> table{{"CPU feature", "built for", "present"}};
  for (const auto& feature : info["cpu_features"]) {
    table.push_back({feature["name"], feature["built_for"].get<bool>() ? "yes" : "no",
                     feature["present"].get<bool>() ? "yes" : "no"});
  }
  std::cout << format_table(table) << "\n";
  table = {{"library", "version"}};
  for (const auto& [name, version] : info["libraries"].items()) table.push_back({name, version});
  std::cout << format_table(table) << "\nmatmul 2048 x 2048 x 2048, f32: " << fixed(info["matmul_gflops"], 1)
            << " GFLOP/s\n";
}

Action set_up(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  add_threads_flag(app);
  begin_section(app, section::kOutput);
  app.add_flag("--json", *json, "Print one JSON object");
  return [json] {
    const nlohmann::json info = gather();
    if (*json) {
      print_json(info);
    } else {
      print_readable(info);
    }
    return 0;
  };
}

const RegisterCommand line("info", "Print the version, devices, libraries and the speed of matrix products",
                           set_up, "scca info --json");

}  // namespace
}  // namespace scca
