#pragma once
// The ops that move numbers rather than multiply them: how near they come to a plain copy.
#include <cstdint>
#include <string>
#include <vector>

#include "train/bench/bench.h"

namespace scca {

/// GB/s of a copy of `bytes` within a device's memory, each byte counted twice: read and written.
double copy_gb_per_s(int64_t bytes, double budget, Device device);

struct BandwidthFigure {
  std::string op;
  int64_t bytes = 0;  // the least that any kernel must move: each input read once, each output written once
  double seconds = 0;

  double gb_per_s() const { return static_cast<double>(bytes) / seconds * 1e-9; }
};

struct BandwidthSizes {
  int64_t rows = 16384, width = 4096;            // of the activations
  int64_t head_dim = 128;                        // divides width
  int64_t loss_rows = 4096, vocabulary = 32000;  // of the logits
  int64_t parameters = 64 << 20;                 // that AdamW updates
};

/// One op, measured when called: its name, and what measures it. Those that are f32 in any run (AdamW, the
/// softmax of the loss) are there for f32 only.
struct BandwidthMeasurement {
  std::string op;
  std::function<BandwidthFigure()> measure;
};
std::vector<BandwidthMeasurement> bandwidth_measurements(const BandwidthSizes& sizes, double budget,
                                                         Place place);

}  // namespace scca
