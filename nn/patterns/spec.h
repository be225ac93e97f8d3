#pragma once
// The attention spec: which pattern each layer uses, as one writes it on the command line.
//   scca-fixed(chunk=512,shift=256)    one pattern for all layers
//   full@0,1;scca-flow                 full attention in layers 0 and 1, scca-flow in all others
//   @plan.json                         the plan in this file, as `scca patterns` prints it, in all layers
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "nn/patterns/pattern.h"

namespace scca {

/// A cheap value: copies share the patterns and the cache of plans. Safe to use from several threads.
class AttentionSpec {
 public:
  /// The plan of this layer (from 0) for so many tokens and query heads. Plans are cached: while an extent is
  /// among the last few asked for, the same pointer comes back, and layers with one pattern share one plan.
  /// Throws UsageError when the parameters (a shift) or the plan file do not fit the extent.
  PlanPtr plan(int64_t tokens, int64_t heads, int64_t layer = 0) const;

  /// Whether, in all layers, a query among the first `from` tokens sees the same keys when there are `to`
  /// (plan_prefix.h). Asks the two plans and no pattern: a chunk of N/4 moves with N, and
  /// so does scca-flow's shift of a fixed chunk. Throws UsageError as plan.
  bool continues(int64_t from, int64_t to, int64_t heads) const;

  /// The same patterns without causality: a query also sees the keys behind it that its pattern shows. For
  /// encoders and images; a language model that is trained so reads off what it is to predict. Throws
  /// UsageError for a plan file, which says itself whether it is causal.
  AttentionSpec bidirectional() const;

  /// The canonical form; parses to the same spec.
  std::string to_string() const;

  /// A hash of the plan file that the spec names, by what is in it; empty for a spec of patterns. A name may
  /// hold another plan tomorrow.
  const std::string& file_hash() const;

  /// "... its chunk of 4096 tokens is longer than the 1024 there are, ...": what someone who gives such a
  /// chunk should know; empty where all chunks fit.
  std::string longer_than(int64_t tokens) const;

  /// How many first layers must be looked at to have seen every pattern: 1 + the last layer named, and one of
  /// the others. 1 when all layers are alike.
  int64_t distinct_layers() const;

  /// Throws UsageError when the spec names a layer that a model with so many layers does not have.
  void check_layers(int64_t layers) const;

 private:
  friend AttentionSpec parse_attention_spec(std::string_view text, std::optional<int64_t> at);
  struct State;
  explicit AttentionSpec(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// With `at` tokens every length in the spec is one in tokens: scca-fixed at 2048 is scca-fixed(chunk=512).
/// Throws UsageError that shows the spec, a caret under the place, what was found and what is allowed; Error
/// when a plan file cannot be read or is not a plan.
AttentionSpec parse_attention_spec(std::string_view text, std::optional<int64_t> at = {});

}  // namespace scca
