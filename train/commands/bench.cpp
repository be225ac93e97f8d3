// scca bench: what attention and a fine-tuning step reach of this machine's matrix products, on the CPU or on
// CUDA.
#include "train/bench/bench.h"

#include <algorithm>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "core/parallel.h"
#include "core/threads.h"
#include "train/bench/cuda.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

struct Flags {
  ModelFlags model;
  /// The CPU's; on CUDA those of CudaBenchOptions, where they are not given.
  int64_t heads = 2, context = 2048, batch = 2;
  bool quick = false, json = false, check = false, rehearse = false;
  CLI::App* app = nullptr;  // knows which flags were given

  bool given(const std::string& flag) const { return app->count(flag) > 0; }

  double budget() const { return quick ? 0.3 : 1.0; }
  int64_t longest() const { return quick ? 8192 : 32768; }
};

constexpr int64_t kHeadDim = 64, kLongContext = 32768;
constexpr int64_t kMostHeads = 1 << 10, kMostRows = 1 << 16;
const std::string kFixed = "scca-fixed(chunk=1024)", kSda = "sda(dilation=4)",
                  kDilated = "dilated(dilation=4)", kFlow = "scca-flow(early=local)";

struct Figures {
  double peak = 0;  // GFLOP/s of matrix products, the best seen along the run
  std::vector<AttentionFigure> attention;
  std::vector<StepFigure> steps;
  std::vector<StepFigure> nf4_step;   // one, `full` as in steps but for the base in few bits
  std::vector<StepFigure> long_step;  // one, or none with --quick

  const AttentionFigure& at(const std::string& pattern, int64_t tokens) const {
    for (const AttentionFigure& figure : attention)
      if (figure.pattern == pattern && figure.tokens == tokens) return figure;
    fail("bench: ", pattern, " at ", tokens, " tokens was not measured");
  }
};

/// What is to be measured, in order.
std::vector<std::function<void()>> work_of(Figures& figures, const LlamaConfig& config, const Flags& flags) {
  std::vector<std::function<void()>> work;
  const auto add_peak = [&] {
    work.push_back([&] { figures.peak = std::max(figures.peak, matmul_gflops(2048, flags.budget())); });
  };
  const auto add_attention = [&](const std::string& pattern, int64_t tokens) {
    work.push_back([&, pattern, tokens] {
      figures.attention.push_back(measure_attention(pattern, tokens, flags.heads, kHeadDim, flags.budget()));
    });
  };
  const auto add_step = [&](std::vector<StepFigure>& steps, const StepOptions& options) {
    work.push_back([&config, &steps, options] { steps.push_back(measure_step(config, options)); });
  };
  // First, while the process is small: its highest resident size is then the step's own.
  if (!flags.quick) {
    add_step(
        figures.long_step,
        {.attention = "scca-fixed", .context = kLongContext, .batch = 1, .checkpointing = true, .budget = 0});
  }
  add_peak();
  for (int64_t tokens = 4096; tokens <= flags.longest(); tokens *= 2) {
    add_attention("full", tokens);
    add_attention(kFixed, tokens);
    if (tokens == 8192)
      for (const std::string& pattern : {kSda, kDilated, kFlow}) add_attention(pattern, tokens);
  }
  add_peak();
  StepOptions step{.context = flags.context, .batch = flags.batch, .budget = 3 * flags.budget()};
  for (const char* pattern : {"full", "scca-fixed"}) {
    step.attention = pattern;
    step.busy_threads = step.attention == "full" ? 1 : 0;
    add_step(figures.steps, step);
  }
  step.attention = "full", step.base = BaseDType::nf4;
  add_step(figures.nf4_step, step);
  add_peak();
  return work;
}

Figures measure(const LlamaConfig& config, const Flags& flags) {
  Figures figures;
  const auto work = work_of(figures, config, flags);
  Progress progress("bench", static_cast<int64_t>(work.size()));
  for (size_t i = 0; i < work.size(); ++i) {
    work[i]();
    progress.update(static_cast<int64_t>(i + 1));
  }
  progress.finish();
  return figures;
}

double seconds_of(const AttentionFigure& figure) { return figure.forward_seconds + figure.backward_seconds; }

/// What is seen in strides, at 8192 tokens: a strided slice is walked densely, so that it costs its pairs.
void add_strided_ratios(std::vector<BenchRatio>& all, const Figures& figures) {
  const AttentionFigure &full = figures.at("full", 8192), &sda = figures.at(kSda, 8192);
  all.push_back({"sda_quarter_forward", kSda + ", 8192 tokens, forward: time over a quarter of full's",
                 sda.forward_seconds / (full.forward_seconds / 4), 1.3, false});
  all.push_back({"sda_quarter", kSda + ", 8192 tokens, forward and backward: time over a quarter of full's",
                 seconds_of(sda) / (seconds_of(full) / 4), 1.3, false});
  for (const auto& [name, pattern] :
       {std::pair("dilated_per_pair", kDilated), {"scca_flow_per_pair", kFlow}}) {
    all.push_back({name, pattern + ", 8192 tokens: time per visible pair over full's",
                   figures.at(pattern, 8192).ns_per_pair() / full.ns_per_pair(), 1.3, false});
  }
}

void add_attention_ratios(std::vector<BenchRatio>& all, const Figures& figures, const Flags& flags) {
  const AttentionFigure& full = figures.at("full", 4096);
  double per_pair = 0, doubling = 0;
  for (int64_t tokens = 4096; tokens <= flags.longest(); tokens *= 2) {
    const AttentionFigure& fixed = figures.at(kFixed, tokens);
    per_pair = std::max(per_pair, fixed.ns_per_pair() / figures.at("full", tokens).ns_per_pair());
    if (tokens > 4096)
      doubling = std::max(doubling, seconds_of(fixed) / seconds_of(figures.at(kFixed, tokens / 2)));
  }
  all.push_back({"attention_forward", "full, 4096 tokens, forward: share of the matmul rate",
                 full.forward_gflops() / figures.peak, 0.5, true});
  all.push_back({"attention_forward_backward",
                 "full, 4096 tokens, forward and backward: share of the matmul rate",
                 full.both_gflops() / figures.peak, 0.4, true});
  all.push_back({"scca_fixed_per_pair", kFixed + ": time per visible pair over full's (worst length)",
                 per_pair, 1.3, false});
  all.push_back({"scca_fixed_doubling", kFixed + ": time at twice the length over time (worst length)",
                 doubling, 2.3, false});
  add_strided_ratios(all, figures);
}

/// It is fair that threads which all have something to do get equal shares of the CPUs.
void add_busy_ratio(std::vector<BenchRatio>& all, const StepFigure& step) {
  const double fair = std::min(1.0, static_cast<double>(usable_cpus()) / (thread_count() + 1));
  all.push_back({"step_beside_busy_thread",
                 concat("fine-tuning step, ", step.pattern,
                        ", beside one busy thread: share of its quiet speed, over the fair ", fixed(fair, 2)),
                 step.seconds / step.busy_seconds / fair, 0.7, true});
}

std::vector<BenchRatio> ratios(const Figures& figures, const Flags& flags) {
  std::vector<BenchRatio> all;
  add_attention_ratios(all, figures, flags);
  for (const StepFigure& step : figures.steps) {
    all.push_back({step.pattern == "full" ? "step_full" : "step_scca_fixed",
                   "fine-tuning step, " + step.pattern + ": share of the matmul rate",
                   step.gflops() / figures.peak, 0.5, true});
  }
  double off = 1;
  for (const StepFigure& step : figures.steps) {
    const double expected = expected_seconds(step.planned_flops, figures.peak) / step.seconds;
    off = std::max({off, expected, 1 / expected});
  }
  all.push_back({"step_expected",
                 "a step's time by its planned FLOPs and the matmul rate: how far off (worst)", off, 1.25,
                 false});
  for (const StepFigure& step : figures.nf4_step) {
    all.push_back({"step_nf4", "fine-tuning step, full, base in nf4: time over that of an f32 base",
                   step.seconds / figures.steps.front().seconds, 1.25, false});
  }
  add_busy_ratio(all, figures.steps.front());
  for (const StepFigure& step : figures.long_step) {
    all.push_back({"long_step_gib", concat("step of ", step.tokens, " tokens, checkpointed: resident GiB"),
                   static_cast<double>(step.peak_rss_bytes) / (1 << 30), 3, false});
  }
  return all;
}

nlohmann::json step_json(const StepFigure& step) {
  nlohmann::json json{{"pattern", step.pattern},
                      {"tokens", step.tokens},
                      {"seconds", step.seconds},
                      {"tokens_per_s", step.tokens_per_s()},
                      {"gflops", step.gflops()},
                      {"frozen_parameters", step.frozen_parameters},
                      {"trained_parameters", step.trained_parameters},
                      {"peak_bytes", step.peak_bytes},
                      {"peak_rss_bytes", step.peak_rss_bytes}};
  if (step.busy_seconds > 0) json["busy_seconds"] = step.busy_seconds;
  return json;
}

nlohmann::json to_json(const Figures& figures, const std::vector<BenchRatio>& all) {
  nlohmann::json result{{"matmul_gflops", figures.peak},
                        {"attention", nlohmann::json::array()},
                        {"step", nlohmann::json::object()},
                        {"ratios", nlohmann::json::object()}};
  for (const AttentionFigure& figure : figures.attention) {
    result["attention"].push_back({{"pattern", figure.pattern},
                                   {"tokens", figure.tokens},
                                   {"forward_gflops", figure.forward_gflops()},
                                   {"backward_gflops", figure.backward_gflops()},
                                   {"ns_per_pair", figure.ns_per_pair()}});
  }
  for (const StepFigure& step : figures.steps) result["step"][step.pattern] = step_json(step);
  for (const StepFigure& step : figures.nf4_step) result["step"]["nf4"] = step_json(step);
  for (const StepFigure& step : figures.long_step) result["step"]["long"] = step_json(step);
  for (const BenchRatio& ratio : all) result["ratios"][ratio.name] = ratio.value;
  return result;
}

void print_attention(const Figures& figures, const Flags& flags) {
  std::cout << "attention, f32, " << flags.heads << " heads of width " << kHeadDim << "\n";
  std::vector<std::vector<std::string>> table{
      {"pattern", "tokens", "forward GFLOP/s", "backward GFLOP/s", "ns per pair", "seconds"}};
  for (const AttentionFigure& figure : figures.attention) {
    table.push_back({figure.pattern, std::to_string(figure.tokens), fixed(figure.forward_gflops(), 1),
                     fixed(figure.backward_gflops(), 1), fixed(figure.ns_per_pair(), 3),
                     fixed(seconds_of(figure), 3)});
  }
  std::cout << format_table(table) << "\n";
}

void print_steps(const Figures& figures) {
  std::cout << "fine-tuning step (LoRA, embedding and norms learn)\n";
  std::vector<std::vector<std::string>> table{
      {"pattern", "tokens", "tokens/s", "GFLOP/s", "tensors MB", "resident MB"}};
  const auto add = [&](const StepFigure& step, const std::string& name) {
    table.push_back({name, std::to_string(step.tokens), fixed(step.tokens_per_s(), 0),
                     fixed(step.gflops(), 1), fixed(static_cast<double>(step.peak_bytes) * 1e-6, 0),
                     fixed(static_cast<double>(step.peak_rss_bytes) * 1e-6, 0)});
  };
  for (const StepFigure& step : figures.steps) add(step, step.pattern);
  for (const StepFigure& step : figures.nf4_step) add(step, step.pattern + ", base in nf4");
  for (const StepFigure& step : figures.long_step) add(step, step.pattern + ", one row, checkpointed");
  std::cout << format_table(table) << "\n";
}

void print_tables(const Figures& figures, const std::vector<BenchRatio>& all, const Flags& flags) {
  std::cout << "matmul 2048 x 2048 x 2048, f32: " << fixed(figures.peak, 1) << " GFLOP/s on "
            << thread_count() << " threads\n\n";
  print_attention(figures, flags);
  print_steps(figures);
  std::vector<std::vector<std::string>> table{{"ratio", "measured", "wanted", ""}};
  for (const BenchRatio& ratio : all) {
    table.push_back({ratio.meaning, fixed(ratio.value, 2),
                     (ratio.at_least ? ">= " : "<= ") + fixed(ratio.limit, 2),
                     ratio.holds() ? "ok" : "MISSED"});
  }
  std::cout << format_table(table);
}

int run_cpu(const Flags& flags) {
  if (flags.rehearse) fail<UsageError>("--rehearse is for --device cuda");
  if (flags.model.dtype != "f32")
    fail<UsageError>("--dtype ", flags.model.dtype, ": on the CPU f32 is measured");
  const LlamaConfig config = flags.model.model.empty() ? demo_shape() : read_config(flags.model.model);
  const Figures figures = measure(config, flags);
  const std::vector<BenchRatio> all = ratios(figures, flags);
  if (flags.json) {
    print_json(to_json(figures, all));
  } else {
    print_tables(figures, all, flags);
  }
  const bool hold = std::all_of(all.begin(), all.end(), [](const BenchRatio& r) { return r.holds(); });
  if (flags.check && !hold) fail("a ratio misses its limit");
  return 0;
}

int run_cuda(const Flags& flags) {
  if (flags.check) fail<UsageError>("--check: limits are for the CPU; on CUDA figures are measured");
  CudaBenchOptions options = flags.rehearse ? CudaBenchOptions::tiny() : CudaBenchOptions();
  if (flags.given("--dtype")) options.dtypes = {dtype_of(flags.model)};
  if (flags.given("--model")) options.model = read_config(flags.model.model);
  if (flags.given("--heads")) options.heads = flags.heads;
  if (flags.given("--context")) options.context = flags.context;
  if (flags.given("--batch")) options.batch = flags.batch;
  if (flags.quick) {
    options.budget *= 0.3;
    options.tokens.resize(1);
  }
  const CudaBench bench = measure_cuda(options);
  if (flags.json) {
    print_json(to_json(bench));
    std::cerr << to_text(bench);
  } else {
    std::cout << to_text(bench);
  }
  if (!bench.failures.empty()) fail(bench.failures.size(), " of the figures could not be measured");
  return 0;
}

int run(const Flags& flags) {
  if (flags.heads < 1) fail<UsageError>("--heads ", flags.heads, ": expected 1 or more");
  if (flags.context < 2) fail<UsageError>("--context ", flags.context, ": expected 2 or more tokens");
  if (flags.batch < 1) fail<UsageError>("--batch ", flags.batch, ": expected 1 or more rows");
  return device_of(flags.model) == Device::cpu ? run_cpu(flags) : run_cuda(flags);
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  flags->app = &app;
  begin_section(app, section::kModel);
  app.add_option("--model", flags->model.model,
                 "Folder whose config.json shapes the step's model (default: as the demo's; on CUDA as "
                 "TinyLlama's); random weights")
      ->type_name("FOLDER");
  begin_section(app, section::kEvaluation);
  app.add_option("--heads", flags->heads, "Heads of the attention measurements (default: 2; on CUDA 32)")
      ->transform(whole_number(kMostHeads));
  app.add_option("--context", flags->context,
                 "Tokens a row of the fine-tuning step (default: 2048; on CUDA 4096)")
      ->transform(token_count());
  app.add_option("--batch", flags->batch, "Rows of the fine-tuning step (default: 2; on CUDA 1)")
      ->transform(whole_number(kMostRows));
  app.add_flag("--quick", flags->quick, "The shorter lengths only, fewer repetitions");
  app.add_flag("--check", flags->check, "On the CPU: exit with 1 when a ratio misses its limit");
  app.add_flag("--rehearse", flags->rehearse,
               "On CUDA: everything at tiny sizes, where no figure means anything");
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object");
  add_device_flags(app, flags->model);
  return [flags] { return run(*flags); };
}

const RegisterCommand line("bench", "Measure attention and training against what the machine can do", set_up,
                           "scca bench --quick --json");

}  // namespace
}  // namespace scca
