#pragma once
// What a training run came to, for its last lines and for the model card.
#include <cstdint>
#include <optional>
#include <string>

namespace scca {

/// Losses are in nats a token.
struct RunNumbers {
  int64_t step = 0;  // steps done
  double last_loss = 0;
  std::string judged_on = {};  // what before and after were measured on, both under the model's own attention
  std::optional<double> before = {}, after = {};  // without the training, and with it
};

}  // namespace scca
