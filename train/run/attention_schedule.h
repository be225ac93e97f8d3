#pragma once
// The attention over the steps: one pattern for all of a run, or one after another, as a window that grows
// while training.
#include <cstdint>
#include <string>
#include <vector>

#include "nn/patterns/spec.h"

namespace scca {

/// "full": of every step. "window(chunk=1k)..20, window(chunk=4k)..40, full": the first up to step 20, the
/// second up to step 40, the last from step 41 on.
class AttentionSchedule {
 public:
  struct Phase {
    AttentionSpec attention;  // its plans are cached
    int64_t until = 0;        // its last step; of the last phase the largest number there is
  };

  /// Throws UsageError as parse_attention_spec, and for steps that do not grow.
  explicit AttentionSchedule(const std::string& text);

  const std::vector<Phase>& phases() const { return phases_; }
  /// Of step 1, 2, ...
  const AttentionSpec& at(int64_t step) const;
  /// The canonical text.
  std::string to_string() const;
  /// AttentionSpec::file_hash of its phases, one behind the other.
  std::string file_hashes() const;
  /// "full from step 41", of the first phase that begins behind `steps`; empty if all have begun by then.
  std::string beyond(int64_t steps) const;

 private:
  std::vector<Phase> phases_;
};

}  // namespace scca
