#pragma once
// What is done with a text before it is cut into pieces: rewritten (normalizer) and split into words that no
// piece reaches over (pre-tokenizer).
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/text_pattern.h"

namespace scca {

/// What becomes of a text where it is split, with the names of `tokenizers`.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct TextStep {
  enum class Kind {
    nfc,      // Unicode normalization form C
    replace,  // each match of `pattern` by `text`
    prepend,  // `text` in front of each part that is not empty
    split,    // at the matches of `pattern`
  };
  Kind kind = Kind::split;
  PatternText pattern = {};
  std::string text = {};
  bool unless_there = false;  // prepend: not to a part that begins with `text`
  bool first_only = false;    // prepend: to the part alone that the whole text begins with
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  // split: what matches and what stands between change places

  bool operator==(const TextStep&) const = default;
};

struct TextPart {
  std::string_view text;
  bool first = false;      // begins where the whole text begins
  bool continues = false;  // begins where a text was cut (text_cuts.h): nothing is put in front
};

/// Texts that parts refer to; their addresses stay.
using KeptTexts = std::deque<std::string>;

/// Returns `factor`, how many times as long steps may make a text. Throws Error beginning with `where` beyond
/// what any tokenizer needs: a few lines of settings can ask for more than all memory.
int64_t check_growth(int64_t factor, const std::string& where);

class TextSteps {
 public:
  TextSteps() = default;
  /// Throws Error beginning with `where` for a pattern that is not understood.
  TextSteps(const std::vector<TextStep>& steps, const std::string& where);

  bool empty() const { return steps_.empty(); }
  /// Takes all steps over `parts`, which are valid UTF-8; parts that end up empty are dropped.
  void run(std::vector<TextPart>& parts, KeptTexts& kept) const;

 private:
  struct Step {
    TextStep what;
    std::unique_ptr<TextPattern> pattern;
  };
  std::vector<Step> steps_;
};

}  // namespace scca
