#include "train/bench/cuda.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("bench: everything is measured on a device, and every share is of a rate of the same run") {
  for (const Device device : other_devices()) {
    REQUIRE(device == Device::cuda);
    const CudaBench bench = measure_cuda(CudaBenchOptions::tiny());
    for (const std::string& failure : bench.failures) FAIL_CHECK(failure);
    const nlohmann::json json = to_json(bench);
    CHECK(json["rehearsal"] == true);
    CHECK(json["copy_gb_per_s"] > 0);
    for (const std::string dtype : {"f32", "bf16"}) {
      CAPTURE(dtype);
      const nlohmann::json& figures = json["dtypes"][dtype];
      const double peak = figures["matmul_tflops"];
      CHECK(peak > 0);
      CHECK(figures["attention"].size() == (dtype == "f32" ? 8 : 16));  // at one length, at two
      CHECK(figures["bandwidth"].size() == (dtype == "f32" ? 8 : 5));
      CHECK(figures["steps"].size() == 2);
      for (const nlohmann::json& f : figures["attention"]) {
        const double flops = 4.0 * f["visible_pairs"].get<double>() * f["head_dim"].get<double>();
        const double share = flops / f["forward_seconds"].get<double>() * 1e-12 / peak;
        CHECK(f["forward_share"].get<double>() == doctest::Approx(share));
        CHECK(f["backward_share"] > 0);
      }
      for (const nlohmann::json& f : figures["bandwidth"]) CHECK(f["share"] > 0);
      for (const nlohmann::json& f : figures["steps"]) CHECK(f["share"] > 0);
    }
    // 4 heads of 32 tokens, causal
    CHECK(json["dtypes"]["f32"]["attention"][0]["visible_pairs"] == 4 * 32 * 33 / 2);
    CHECK(to_text(bench).find("REHEARSAL") == 0);
  }
}

TEST_CASE("bench: what cannot be measured on a device is named, and the rest is measured") {
  for ([[maybe_unused]] const Device device : other_devices()) {
    CudaBenchOptions options = CudaBenchOptions::tiny();
    options.dtypes = {DType::bf16};
    options.tokens = {32};
    options.head_dim = 258;
    const CudaBench bench = measure_cuda(options);
    REQUIRE(bench.failures.size() == 8);
    CHECK(bench.failures[0].find("bf16 attention full, 32 tokens: ") == 0);
    CHECK(bench.dtypes[0].attention.empty());
    CHECK(bench.dtypes[0].bandwidth.size() == 5);
    CHECK(bench.dtypes[0].steps.size() == 2);
    CHECK(to_text(bench).find("NOT MEASURED: bf16 attention full, 32 tokens: ") != std::string::npos);
  }
}

TEST_CASE("bench: the times of a device are of work that has been done") {
  for (const Device device : other_devices()) {
    int calls = 0;
    Tensor x = Tensor::zeros({1}, DType::f32, device);
    const Tensor one = Tensor::full({1}, 1, DType::f32, device);
    const double seconds = best_seconds(
        0, [&] { x.copy_from(one), ++calls; }, device);
    CHECK(calls >= 3);  // once to set up, once to see how many make a batch, a batch
    CHECK(seconds > 0);
    CHECK(x.item() == 1);
  }
}
