#include "train/bench/cuda.h"

#include <algorithm>
#include <functional>

#include "core/check.h"
#include "train/report/messages.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

/// One pattern of each kind, in chunks of an eighth of the text where it has chunks.
std::vector<std::string> patterns_at(int64_t tokens) {
  const std::string chunk = concat("(chunk=", std::max<int64_t>(tokens / 8, 1), ")");
  return {"full",           "local" + chunk,   "scca-fixed" + chunk,  "s2" + chunk,
          "window" + chunk, "sda(dilation=4)", "dilated(dilation=4)", "scca-flow(early=local)"};
}

/// A measurement: what a failure of it is called, and what makes it.
struct Work {
  std::string name;
  std::function<void()> run;
};

void add_work(CudaFigures& figures, const CudaBenchOptions& options, std::vector<Work>& all) {
  const Place place{Device::cuda, figures.dtype};
  const std::string dtype = name_of(figures.dtype);
  const auto add_peak = [&] {
    all.push_back({dtype + " matmul", [&, place] {
                     figures.matmul_gflops = std::max(figures.matmul_gflops,
                                                      matmul_gflops(options.matmul, options.budget, place));
                   }});
  };
  add_peak();
  for (const int64_t tokens : options.tokens) {
    if (figures.dtype == DType::f32 && tokens != options.tokens.front()) continue;
    for (const std::string& pattern : patterns_at(tokens)) {
      all.push_back(
          {concat(dtype, " attention ", pattern, ", ", tokens, " tokens"), [&, place, pattern, tokens] {
             figures.attention.push_back(
                 measure_attention(pattern, tokens, options.heads, options.head_dim, options.budget, place));
           }});
    }
  }
  add_peak();
  for (const BandwidthMeasurement& one : bandwidth_measurements(options.bandwidth, options.budget, place))
    all.push_back({dtype + " " + one.op, [&figures, one] { figures.bandwidth.push_back(one.measure()); }});
  for (const char* pattern : {"full", "scca-fixed"}) {
    const StepOptions step{.attention = pattern,
                           .context = options.context,
                           .batch = options.batch,
                           .budget = 3 * options.budget,
                           .place = place};
    all.push_back({concat(dtype, " fine-tuning step, ", pattern),
                   [&, step] { figures.steps.push_back(measure_step(options.model, step)); }});
  }
  add_peak();
}

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

nlohmann::json to_json(const CudaFigures& figures, double copy) {
  using nlohmann::json;
  json attention = json::array(), bandwidth = json::array(), steps = json::array();
  const double peak = figures.matmul_gflops;
  for (const AttentionFigure& f : figures.attention)
    attention.push_back({{"pattern", f.pattern},
                         {"tokens", f.tokens},
                         {"heads", f.heads},
                         {"head_dim", f.head_dim},
                         {"visible_pairs", f.pairs},
                         {"forward_seconds", f.forward_seconds},
                         {"backward_seconds", f.backward_seconds},
                         {"forward_tflops", f.forward_gflops() * 1e-3},
                         {"backward_tflops", f.backward_gflops() * 1e-3},
                         {"forward_share", share(f.forward_gflops(), peak)},
                         {"backward_share", share(f.backward_gflops(), peak)}});
  for (const BandwidthFigure& f : figures.bandwidth)
    bandwidth.push_back({{"op", f.op},
                         {"bytes", f.bytes},
                         {"seconds", f.seconds},
                         {"gb_per_s", f.gb_per_s()},
                         {"share", share(f.gb_per_s(), copy)}});
  for (const StepFigure& f : figures.steps)
    steps.push_back({{"pattern", f.pattern},
                     {"tokens", f.tokens},
                     {"frozen_parameters", f.frozen_parameters},
                     {"trained_parameters", f.trained_parameters},
                     {"seconds", f.seconds},
                     {"tokens_per_s", f.tokens_per_s()},
                     {"tflops", f.gflops() * 1e-3},
                     {"share", share(f.gflops(), peak)},
                     {"peak_bytes", f.peak_bytes}});
  return {
      {"matmul_tflops", peak * 1e-3}, {"attention", attention}, {"bandwidth", bandwidth}, {"steps", steps}};
}

using Rows = std::vector<std::vector<std::string>>;

void add_rows(const CudaFigures& figures, double copy, Rows& rows) {
  const std::string dtype = name_of(figures.dtype);
  const double peak = figures.matmul_gflops;
  const auto tflops = [](double gflops) { return fixed(gflops * 1e-3, 2) + " TFLOP/s"; };
  const auto percent = [](double part) { return fixed(100 * part, 1) + " %"; };
  rows.push_back({dtype + " matmul", tflops(peak), "", ""});
  for (const AttentionFigure& f : figures.attention) {
    const std::string name = concat(dtype, " attention ", f.pattern, ", ", f.tokens);
    rows.push_back({name + ", forward", tflops(f.forward_gflops()), percent(share(f.forward_gflops(), peak)),
                    fixed(f.forward_seconds * 1e3, 3)});
    rows.push_back({name + ", backward", tflops(f.backward_gflops()),
                    percent(share(f.backward_gflops(), peak)), fixed(f.backward_seconds * 1e3, 3)});
  }
  for (const BandwidthFigure& f : figures.bandwidth)
    rows.push_back({dtype + " " + f.op, fixed(f.gb_per_s(), 0) + " GB/s", percent(share(f.gb_per_s(), copy)),
                    fixed(f.seconds * 1e3, 3)});
  for (const StepFigure& f : figures.steps)
    rows.push_back({concat(dtype, " step, ", f.pattern, ", ", f.tokens, " tokens"),
                    fixed(f.tokens_per_s(), 0) + " tokens/s", percent(share(f.gflops(), peak)),
                    fixed(f.seconds * 1e3, 1)});
}

}  // namespace

CudaBenchOptions::CudaBenchOptions() {
  model.hidden_size = 2048;
  model.intermediate_size = 5632;
  model.num_hidden_layers = 22;
  model.num_key_value_heads = 4;
  model.head_dim = 64;
}

CudaBenchOptions CudaBenchOptions::tiny() {
  CudaBenchOptions options;
  options.model.vocab_size = 128;
  options.model.hidden_size = 32;
  options.model.intermediate_size = 64;
  options.model.num_hidden_layers = 1;
  options.model.num_attention_heads = 2;
  options.model.num_key_value_heads = 1;
  options.model.head_dim = 16;
  options.matmul = 32;
  options.copy_bytes = 1 << 16;
  options.heads = 4;
  options.head_dim = 32;
  options.tokens = {32, 48};
  options.bandwidth = {
      .rows = 8, .width = 64, .head_dim = 16, .loss_rows = 8, .vocabulary = 33, .parameters = 1000};
  options.context = 32;
  options.budget = 0;
  options.rehearsal = true;
  return options;
}

CudaBench measure_cuda(const CudaBenchOptions& options) {
  CudaBench bench;
  bench.device = cuda_properties();
  bench.rehearsal = options.rehearsal;
  bench.dtypes.resize(options.dtypes.size());
  const auto copy = [&] {
    bench.copy_gb_per_s =
        std::max(bench.copy_gb_per_s, copy_gb_per_s(options.copy_bytes, options.budget, Device::cuda));
  };
  std::vector<Work> work{{"copy", copy}};
  for (size_t i = 0; i < options.dtypes.size(); ++i) {
    bench.dtypes[i].dtype = options.dtypes[i];
    add_work(bench.dtypes[i], options, work);
  }
  work.push_back({"copy", copy});
  Progress progress("bench", static_cast<int64_t>(work.size()));
  for (size_t i = 0; i < work.size(); ++i) {
    try {
      work[i].run();
    } catch (const Error& error) {
      bench.failures.push_back(concat(work[i].name, ": ", with_flags(error.message)));
      progress.note(bench.failures.back());
    }
    progress.update(static_cast<int64_t>(i + 1), work[i].name);
  }
  progress.finish();
  return bench;
}

nlohmann::json to_json(const CudaBench& bench) {
  nlohmann::json result{
      {"scca", SCCA_VERSION},
      {"device",
       {{"name", bench.device.name},
        {"compute_capability", concat(bench.device.compute_major, ".", bench.device.compute_minor)},
        {"multiprocessors", bench.device.multiprocessors},
        {"memory_bytes", bench.device.total_bytes}}},
      {"rehearsal", bench.rehearsal},
      {"copy_gb_per_s", bench.copy_gb_per_s},
      {"dtypes", nlohmann::json::object()},
      {"failures", bench.failures}};
  for (const CudaFigures& figures : bench.dtypes)
    result["dtypes"][name_of(figures.dtype)] = to_json(figures, bench.copy_gb_per_s);
  return result;
}

std::string to_text(const CudaBench& bench) {
  Rows rows{{"", "reached", "share", "ms"}};
  rows.push_back({"copy within the device", fixed(bench.copy_gb_per_s, 0) + " GB/s", "", ""});
  for (const CudaFigures& figures : bench.dtypes) add_rows(figures, bench.copy_gb_per_s, rows);
  std::string text;
  if (bench.rehearsal) text += "REHEARSAL: tiny sizes, no figure below means anything\n";
  text += concat(bench.device.name, ", compute capability ", bench.device.compute_major, ".",
                 bench.device.compute_minor, ", ", bench.device.multiprocessors, " multiprocessors\n\n",
                 format_table(rows),
                 "\nshare: of the matmul in the same dtype, or of the copy, measured in this run\n");
  for (const std::string& failure : bench.failures) text += "NOT MEASURED: " + failure + "\n";
  return text;
}

}  // namespace scca
