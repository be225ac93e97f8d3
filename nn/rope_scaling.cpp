#include "nn/rope_scaling.h"

#include <cmath>

#include "core/check.h"
#include "nn/rope_types.h"

namespace scca {

const char* name_of(RopeType type) { return row_of(type).name; }

std::optional<RopeType> rope_type_of(const std::string& name) {
  for (const RopeRow& row : rope_rows())
    if (name == row.name || (row.in_file && name == row.in_file)) return row.type;
  return std::nullopt;
}

std::string rope_type_names() {
  std::string names;
  for (const RopeRow& row : rope_rows()) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

double ntk_theta(double theta, double factor, int64_t head_dim) {
  const double d = static_cast<double>(head_dim);
  return theta * std::pow(factor, d / (d - 2));
}

void check_rope_scaling(const RopeScaling& s, int64_t head_dim) {
  SCCA_CHECK(head_dim > 0 && head_dim % 2 == 0, "rope: head_dim is ", head_dim,
             ", expected an even number from 2 up: its components turn in pairs");
  SCCA_CHECK(std::isfinite(s.theta) && s.theta > 0, "rope: theta is ", s.theta,
             ", expected a number above 0");
  const RopeRow& row = row_of(s.type);
  SCCA_CHECK(!row.has_factor() || (std::isfinite(s.factor) && s.factor >= 1), "rope ", row.name,
             ": factor is ", s.factor, ", expected at least 1");
  if (row.check) row.check(s, head_dim);
}

RopeFrequencies inverse_frequencies(const RopeScaling& s, int64_t head_dim, int64_t tokens) {
  check_rope_scaling(s, head_dim);
  return row_of(s.type).frequencies(s, head_dim, tokens);
}

}  // namespace scca
