#include "train/bench/scale.h"

#include <cmath>

#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

const std::string kFull = "full";

/// The published shapes of SmolLM2-135M and -360M, and of TinyLlama.
LlamaConfig shape(int64_t hidden, int64_t intermediate, int64_t layers, int64_t heads, int64_t kv_heads,
                  int64_t vocabulary, bool tied) {
  LlamaConfig config;
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.num_hidden_layers = layers;
  config.num_attention_heads = heads;
  config.num_key_value_heads = kv_heads;
  config.head_dim = hidden / heads;
  config.vocab_size = vocabulary;
  config.tie_word_embeddings = tied;
  config.max_position_embeddings = 8192;
  return config;
}

double exponent(double before, double after, const ScalePoint& from, const ScalePoint& to) {
  return std::log(after / before) / std::log(static_cast<double>(to.size) / static_cast<double>(from.size));
}

std::vector<int64_t> lengths_to(int64_t longest, const ScaleOptions& options) {
  std::vector<int64_t> lengths;
  for (int64_t tokens = options.shortest; tokens <= longest; tokens *= 2) lengths.push_back(tokens);
  return lengths;
}

nlohmann::json to_json(const ScaleLine& line) {
  nlohmann::json points = nlohmann::json::array();
  for (size_t i = 0; i < line.points.size(); ++i) {
    const auto& [size, step] = line.points[i];
    points.push_back({{"size", size},
                      {"tokens", step.tokens},
                      {"seconds", step.seconds},
                      {"peak_bytes", step.peak_bytes},
                      {"planned_flops", step.planned_flops}});
    if (i == 0) continue;
    points.back()["time_exponent"] = line.time_exponent(i);
    points.back()["memory_exponent"] = line.memory_exponent(i);
  }
  return {{"name", line.name}, {"points", points}};
}

void add_rows(std::vector<std::vector<std::string>>& table, const ScaleLine& line,
              const std::function<std::string(int64_t)>& size_name) {
  for (size_t i = 0; i < line.points.size(); ++i) {
    const auto& [size, step] = line.points[i];
    table.push_back({line.name, size_name(size), fixed(step.seconds, 2), fixed(step.tokens_per_s(), 0),
                     i ? fixed(line.time_exponent(i), 2) : "",
                     fixed(static_cast<double>(step.peak_bytes) * 1e-6, 0),
                     i ? fixed(line.memory_exponent(i), 2) : ""});
  }
}

}  // namespace

ScaleOptions ScaleOptions::usual() {
  return {.patterns = {{kFull, 1 << 15},
                       {"sda(dilation=8)", 1 << 15},
                       {"scca-fixed(chunk=1/4)", 1 << 15},
                       {"scca-fixed(chunk=1024)", 1 << 17},
                       {"window(chunk=1024)", 1 << 17}},
          .models = {{"as the demo's", demo_shape()},
                     {"SmolLM2-135M", shape(576, 1536, 30, 9, 3, 49152, true)},
                     {"SmolLM2-360M", shape(960, 2560, 32, 15, 5, 49152, true)},
                     {"TinyLlama-1.1B", shape(2048, 5632, 22, 32, 4, 32000, false)}}};
}

ScaleOptions ScaleOptions::quick() {
  ScaleOptions options = usual();
  for (auto& [pattern, longest] : options.patterns) longest = 1 << 14;
  options.models.resize(2);
  return options;
}

double ScaleLine::time_exponent(size_t i) const {
  const ScalePoint &from = points.at(i - 1), &to = points.at(i);
  return exponent(from.step.seconds, to.step.seconds, from, to);
}

double ScaleLine::memory_exponent(size_t i) const {
  const ScalePoint &from = points.at(i - 1), &to = points.at(i);
  return exponent(static_cast<double>(from.step.peak_bytes), static_cast<double>(to.step.peak_bytes), from,
                  to);
}

Scale measure_scale(const ScaleOptions& options, const std::function<void(int64_t, int64_t)>& progress) {
  int64_t all = std::ssize(options.models), done = 0;
  for (const auto& [pattern, longest] : options.patterns) all += std::ssize(lengths_to(longest, options));
  const auto step = [&](const LlamaConfig& config, const std::string& pattern, int64_t context) {
    const StepFigure figure = measure_step(
        config, {.attention = pattern, .context = context, .batch = 1, .checkpointing = true, .budget = 0});
    progress(++done, all);
    return figure;
  };
  Scale scale;
  for (const auto& [pattern, longest] : options.patterns) {
    ScaleLine line{pattern, {}};
    for (const int64_t tokens : lengths_to(longest, options))
      line.points.push_back({tokens, step(demo_shape(), pattern, tokens)});
    scale.lengths.push_back(std::move(line));
  }
  for (const auto& [name, config] : options.models) {
    const StepFigure figure = step(config, kFull, options.model_context);
    scale.models.name += (scale.models.name.empty() ? "" : ", ") + name;
    scale.models.points.push_back({figure.frozen_parameters + figure.trained_parameters, figure});
  }
  return scale;
}

nlohmann::json to_json(const Scale& scale) {
  nlohmann::json json{{"lengths", nlohmann::json::array()}, {"models", to_json(scale.models)}};
  for (const ScaleLine& line : scale.lengths) json["lengths"].push_back(to_json(line));
  return json;
}

std::string to_text(const Scale& scale) {
  const std::vector<std::string> head{"tokens/s", "exponent of time", "tensors MB", "exponent of memory"};
  const auto table_of = [&](std::vector<std::string> first) {
    first.insert(first.end(), head.begin(), head.end());
    return std::vector<std::vector<std::string>>{first};
  };
  auto lengths = table_of({"pattern", "tokens", "seconds a step"});
  for (const ScaleLine& line : scale.lengths)
    add_rows(lengths, line, [](int64_t tokens) { return std::to_string(tokens); });
  auto models = table_of({"models", "parameters", "seconds a step"});
  ScaleLine line = scale.models;
  line.name = "full";
  add_rows(models, line, [](int64_t parameters) { return short_number(static_cast<double>(parameters)); });
  return concat("a step of one row, all layers checkpointed, by its tokens\n", format_table(lengths), "\n",
                "and by the model: ", scale.models.name, "\n", format_table(models));
}

}  // namespace scca
