#pragma once
// Texts that end an answer. Nothing of one is ever shown, also where it comes in pieces.
#include <string>
#include <string_view>
#include <vector>

namespace scca {

class StopTexts {
 public:
  /// Not empty, each in UTF-8 (SamplingOptions::validate).
  explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  /// Takes the next piece of the answer, of whole characters, and gives what can be shown: what cannot be the
  /// beginning of a text that ends the answer, and what stands in front of the first that is complete.
  std::string push(std::string_view piece);
  /// Whether one has come; nothing is shown from there on.
  bool stopped() const { return stopped_; }
  /// What was held back: the beginning of one that did not come.
  std::string finish();

 private:
  size_t possible_beginning() const;

  std::vector<std::string> texts_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace scca
