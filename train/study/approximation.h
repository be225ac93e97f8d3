#pragma once
// How well does a pattern stand in for a model's own attention, without any training? Each pattern is put
// into all layers, and into a part of them, and the same held-out windows are scored under each.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/cli/model_flags.h"
#include "train/cli/text_input.h"
#include "train/evaluation/comparison.h"
#include "train/evaluation/evaluate.h"

namespace scca {

struct ApproximationSettings {
  ModelFlags model = {};
  TextFlags text = {};
  std::vector<std::string> patterns = {};  // empty: every registered one
  std::vector<int64_t> lengths = {};
  int64_t parts = 3;  // of the model's depth, in each of which a pattern stands alone; 0: none
  std::filesystem::path out = {};
  bool resume = false;
};

/// One pattern in some layers, the model's own attention in the others, at one length.
struct ApproximationCell {
  std::string pattern = {};         // as it was asked for; of the reference the model's own attention
  int64_t part = 0;                 // 1 to parts; 0: in all layers
  int64_t first = 0, end = 0;       // the layers [first, end) that have the pattern
  int64_t length = 0;               // tokens of a window
  std::string attention = {};       // the whole spec
  std::filesystem::path file = {};  // the cell's figures; its losses lie beside them
};

struct Approximation {
  ApproximationSettings settings;
  int64_t layers = 0;
  int64_t made_for = 0;                  // tokens that the model's positions are made for, with RoPE's flags
  std::string reference;                 // the model's own attention, as a spec
  std::vector<ApproximationCell> cells;  // by length; the reference first in each, depth at the longest alone
};

/// Cells of settings: patterns that name layers themselves have no cells by depth. Reads the model's config.
/// Throws UsageError naming a flag, its value and what is allowed.
Approximation plan_approximation(ApproximationSettings settings);

/// Evaluates what is not there yet; each cell's files are written once, so that a stopped run goes on.
/// Patterns, lengths and parts may change then. Returns the exit code: 0, or 1 after Ctrl-C. Throws
/// UsageError when OUT holds cells of another model, text or RoPE, Error as evaluate.
int run_approximation(const Approximation& approximation);

struct ApproximationResult {
  const ApproximationCell* cell = nullptr;
  Evaluation evaluation = {};
  PairedDifference above = {};                     // less the reference at this length
  std::vector<PairedDifference> by_position = {};  // the same in each of evaluation.by_position
  LossSums sums = {};
};
/// Throws Error naming a file that is missing or not as it was written.
std::vector<ApproximationResult> read_approximation(const Approximation& approximation);

/// OUT/patterns.md with OUT/pictures/, OUT/patterns.html and OUT/patterns.csv; returns the table of lengths
/// as Markdown.
std::string write_approximation_page(const Approximation& approximation);

}  // namespace scca
