#pragma once
// An attention pattern is a pure function from (tokens, heads) to which keys each query sees. Each pattern is
// one small file in this folder; nothing else in the project knows a pattern's name. README.md says how to
// add one.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nn/patterns/arguments.h"
#include "ops/attention_plan.h"

namespace scca {

struct Extent {
  int64_t tokens = 0, heads = 0;
};

/// One tile list per head; heads that look alike share one.
using HeadPlans = std::vector<std::shared_ptr<const HeadPlan>>;

/// A pattern says the same thing twice: as the paper's sentence and in fast form. One test holds the two
/// together for every registered pattern. Causality (key <= query) is neither's
/// business: it is the plan's flag.
class Pattern {
 public:
  virtual ~Pattern() = default;
  /// The sentence: does this query (0 .. tokens-1) of this head (0 .. heads-1) see this key?
  virtual bool visible(Extent extent, int64_t head, int64_t query, int64_t key) const = 0;
  /// The fast form, within the invariants of AttentionPlan. Throws UsageError when the parameters do not fit
  /// the extent.
  virtual HeadPlans plan(Extent extent) const = 0;
};

using PatternPtr = std::shared_ptr<const Pattern>;

struct NamedPattern {
  PatternPtr pattern;
  std::string spec;     // canonical
  int64_t longest = 0;  // of its chunks that are given in tokens; 0: all are fractions
};

/// One pattern, by its spec without layers: parse_pattern("local(chunk=1/8)"). Throws UsageError.
PatternPtr parse_pattern(std::string_view spec);
/// The same from a piece of a parsed spec; `source` is the whole spec, for the errors' caret, `at` as in
/// Arguments.
NamedPattern make_pattern(std::string_view source, const Call& call, std::optional<int64_t> at = {});

struct PatternEntry {
  std::string name, summary;
  std::vector<std::string> examples;  // specs; the shared test runs them all at odd sizes
  std::shared_ptr<const Pattern> (*make)(Arguments&);
};

/// All registered patterns by name.
const std::vector<PatternEntry>& registered_patterns();
void register_pattern(PatternEntry entry);

/// The registration line of a pattern file:
///   const Register<Local> line("local", "keys of the query's own chunk", {"local", "local(chunk=5)"});
/// P is constructed from Arguments&, from which it reads its parameters.
template <class P>
struct Register {
  Register(std::string name, std::string summary, std::vector<std::string> examples) {
    register_pattern(
        {std::move(name), std::move(summary), std::move(examples),
         [](Arguments& arguments) -> PatternPtr { return std::make_shared<const P>(arguments); }});
  }
};

// What most patterns build their plans from.

/// The positions begin .. end-1 that lie in 0 .. tokens-1; count 0 when none does.
Slice span(int64_t begin, int64_t end, int64_t tokens);
/// All positions x with x = residue (mod step); residue in 0 .. step-1.
Slice residue_class(int64_t residue, int64_t step, int64_t tokens);
/// 0 .. tokens-1 cut into chunks of `width` that begin at multiples of width, less `offset` (below width):
/// the first and the last are short where they do not fit.
std::vector<Slice> chunks(int64_t tokens, int64_t width, int64_t offset = 0);
/// The tile of these queries and keys; without keys if the slice is empty.
Tile tile(Slice queries, Slice keys, int64_t reach = kUnlimited);
/// Every query sees the keys of its own chunk.
HeadPlan chunk_local(int64_t tokens, int64_t width, int64_t offset = 0);
/// The first floor(heads / 2) heads look like `first`, the others like `second`.
HeadPlans halves(HeadPlan first, HeadPlan second, int64_t heads);

}  // namespace scca
