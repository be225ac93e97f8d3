#pragma once
// How a step's time and memory grow: with the tokens of a row, by pattern, and with the model's size.
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/bench/bench.h"

namespace scca {

struct ScaleOptions {
  int64_t shortest = 8192;                                  // tokens
  std::vector<std::pair<std::string, int64_t>> patterns;    // each from there to its longest row, doubling
  std::vector<std::pair<std::string, LlamaConfig>> models;  // with one row of model_context tokens each
  int64_t model_context = 2048;

  /// The demo's model up to 131072 tokens where the pattern is linear in them, else up to 32768; and the
  /// shapes of models from 5 M to 1.1 B parameters.
  static ScaleOptions usual();
  /// A minute or so: up to 16384 tokens and 135 M parameters.
  static ScaleOptions quick();
};

/// A step at a size: tokens of its row, or the model's parameters.
struct ScalePoint {
  int64_t size = 0;
  StepFigure step;
};

/// One pattern at growing lengths, or growing models.
struct ScaleLine {
  std::string name;
  std::vector<ScalePoint> points;

  /// log(t_i / t_(i-1)) / log(n_i / n_(i-1)) of seconds, or of tensors' bytes at their highest: 1 is linear,
  /// 2 quadratic. i from 1.
  double time_exponent(size_t i) const;
  double memory_exponent(size_t i) const;
};

struct Scale {
  std::vector<ScaleLine> lengths;
  ScaleLine models;
};

/// Steps of one row on the CPU in f32, all layers checkpointed, LoRA, embedding and norms learning; each
/// taken once or twice. `progress` is called after each.
Scale measure_scale(const ScaleOptions& options,
                    const std::function<void(int64_t done, int64_t all)>& progress);

nlohmann::json to_json(const Scale& scale);
std::string to_text(const Scale& scale);

}  // namespace scca
