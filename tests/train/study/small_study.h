#pragma once
// The settings of a study that tests make, and do not run.
#include <string>
#include <vector>

#include "train/study/study.h"

namespace scca::test {

inline const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline StudySettings settings(const std::vector<std::string>& patterns) {
  StudySettings s;
  s.finetune.model.model = kModel;
  s.finetune.train.out = "nowhere";
  s.finetune.train.context = 129;
  s.finetune.train.batch = 2;
  s.finetune.train.steps = 40;
  s.patterns = patterns;
  return s;
}

}  // namespace scca::test
