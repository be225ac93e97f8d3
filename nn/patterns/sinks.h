#pragma once
// Attention sinks in any pattern (StreamingLLM, arXiv 2309.17453; SinkLoRA, arXiv 2406.05678): large models
// pour attention on the first tokens whatever these say, and a pattern that hides them breaks that.
#include "nn/patterns/pattern.h"

namespace scca {

/// `pattern` in which every query of every head also sees the first `count` keys of the row; no pair is seen
/// twice. In a row of packed documents these are the first document's alone (packed_plan.h). Throws Error for
/// a count below 1. In a spec: local(chunk=512,sinks=4).
PatternPtr with_sinks(PatternPtr pattern, int64_t count);

}  // namespace scca
