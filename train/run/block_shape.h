#pragma once
// What the memory of a block depends on: its layers' sizes, and which of its tensors have a gradient.
#include <cstdint>
#include <vector>

#include "train/run/memory.h"

namespace scca {

struct LinearShape {
  int64_t in = 0, out = 0, rank = 0;  // of LoRA; 0: none
  bool learns = false;                // the weight itself

  /// Whether its output has a gradient, given whether its input wants one.
  bool recorded(bool input) const { return input || learns || rank > 0; }
};

struct BlockShape {
  LinearShape q, k, v, o, gate, up, down;
  bool input_norm = false, post_norm = false;  // learn
};

/// Which tensors of a block have a gradient, given whether the block's input has: nothing is kept for the
/// others.
struct Wanted {
  Wanted(const BlockShape& b, bool input)
      : x(input),
        normed_x(x || b.input_norm),
        q(b.q.recorded(normed_x)),
        k(b.k.recorded(normed_x)),
        v(b.v.recorded(normed_x)),
        attention(q || k || v),
        h(x || b.o.recorded(attention)),
        normed_h(h || b.post_norm),
        gate(b.gate.recorded(normed_h)),
        product(gate || b.up.recorded(normed_h)),
        output(h || b.down.recorded(product)) {}

  bool x, normed_x, q, k, v, attention, h, normed_h, gate, product, output;
};

/// Of the model's blocks, in order. Throws Error naming a parameter that is not there.
std::vector<BlockShape> block_shapes(const ModelShape& shape);

}  // namespace scca
