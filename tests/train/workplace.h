#pragma once
// A small fine-tuning as a user starts it: stories260K, a text of about 20 kB, and what the run leaves.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/run_scca.h"

namespace scca::test {

inline const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
using Words = std::vector<std::string>;

/// A folder with a text of about 20 kB, and the command that trains on it.
struct Workplace {
  Workplace() {
    std::ofstream file(data);
    for (int i = 0; i < 300; ++i) {
      file << "Tim had " << i << " red balls. He gave " << i % 7 << " of them to Lily and " << i % 11
           << " to Ben.\n";
    }
  }

  Words finetune(const std::string& run, int steps, const Words& more = {}) const {
    Words all{"finetune",
              "--model",
              kModel,
              "--data",
              data,
              "--out",
              (folder / run).string(),
              "--context",
              "64",
              "--steps",
              std::to_string(steps),
              "--batch",
              "2",
              "--grad-accum",
              "2",
              "--lr",
              "1e-3",
              "--lora-dropout",
              "0.1",
              "--save-every",
              "3",
              "--seed",
              "5"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// The lines of metrics.jsonl without what depends on the clock and the machine.
  std::vector<std::string> metrics(const std::string& run) const {
    std::vector<std::string> lines;
    std::ifstream file(folder / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      nlohmann::json m = nlohmann::json::parse(line, nullptr, false);
      if (m.is_discarded()) continue;  // being written just now
      m.erase("tokens_per_s");
      m.erase("peak_bytes");
      lines.push_back(m.dump());
    }
    return lines;
  }

  std::string adapter(const std::string& run) const {
    return read_text_file(folder / run / "adapter" / "adapter_model.safetensors");
  }

  /// Waits until the run has that many lines of metrics, at most 60 s.
  void wait_for_steps(const std::string& run, size_t steps) const {
    for (int i = 0; i < 60000 && metrics(run).size() < steps; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  TemporaryFolder folder;
  std::string data = (folder / "data.txt").string();
};

/// The same command with another value for one flag.
inline Words with(Words words, const std::string& flag, const std::string& value) {
  *(std::find(words.begin(), words.end(), flag) + 1) = value;
  return words;
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace scca::test
