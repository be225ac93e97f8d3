#pragma once
// What a pattern's parameters are: told by its constructor, which reads them, so that no list can fall
// behind.
#include <string>
#include <vector>

#include "nn/patterns/pattern.h"

namespace scca {

struct Parameter {
  std::string name;      // empty for the patterns inside another one
  std::string takes;     // "tokens or a fraction of the sequence"
  std::string standard;  // what it is when not given; empty where its absence has a meaning of its own
};

/// In the order in which the constructor reads them. Throws Error for an entry without an example.
std::vector<Parameter> parameters_of(const PatternEntry& entry);

/// What every pattern takes besides its own: sinks (sinks.h).
Parameter sinks_parameter();

}  // namespace scca
