#pragma once
// The types of RoPE scaling, a row each: what a type computes, what must hold of its settings, and how a
// config.json says it. Whatever reads, writes, checks or offers a type goes by these rows: another type is a
// row, its name in RopeType and its function; a setting of its own is a member of RopeScaling besides.
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "nn/rope_scaling.h"

namespace scca {

/// A setting of some types alone. Absent from a file it is as in RopeScaling{}.
struct RopeField {
  const char* key;  // in config.json
  std::variant<double RopeScaling::*, std::optional<double> RopeScaling::*, bool RopeScaling::*,
               std::vector<double> RopeScaling::*>
      member;
  bool required = false;  // a file without it is refused
};

struct RopeRow {
  enum class Factor : uint8_t {
    none,      // 1
    required,  // in a file
    derived    // where a file has none: max_position_embeddings / L0
  };
  /// Where a file has the pretraining's length L0.
  enum class Original : uint8_t {
    max_position_embeddings,  // what these formulas read
    top,  // original_max_position_embeddings, outside the scaling, whose form has no place for it; where that
          // is absent max_position_embeddings is taken, a guess (RopeScaling::original_assumed)
    scaling,         // original_max_position_embeddings, with the scaling
    top_and_scaling  // both: transformers up to 4.57 looks for longrope's at the top alone, and would take
                     // the short list at every length
  };
  /// What max_position_embeddings says in a file of a scaled model.
  enum class Length : uint8_t {
    original,  // L0, from which readers scale
    context,   // what the positions are made for
    product    // L0 times the factor: transformers 4.51 to 4.57 scale by max_position_embeddings / L0, others
               // by the factor
  };

  RopeType type;
  const char* name;     // on the command line and in messages
  const char* in_file;  // rope_type; null for a type that no reader knows, written as plain RoPE
  RopeFrequencies (*frequencies)(const RopeScaling& scaling, int64_t head_dim, int64_t tokens);
  /// Of settings beyond theta and factor.
  void (*check)(const RopeScaling& scaling, int64_t head_dim) = nullptr;
  /// Where in_file is null: of the plain RoPE that equals it.
  double (*plain_theta)(const RopeScaling& scaling, int64_t head_dim) = nullptr;
  Factor factor;
  Original original;
  Length length;
  bool first_form = false;  // its first readers take exactly the keys "type" and "factor"
  bool one_length = false;  // its lists are for one length: the factor cannot be raised without other lists
  std::vector<RopeField> fields = {};

  bool has_factor() const { return factor != Factor::none; }
  bool original_with_scaling() const {
    return original == Original::scaling || original == Original::top_and_scaling;
  }
};

/// All of them, in RopeType's order.
std::span<const RopeRow> rope_rows();
const RopeRow& row_of(RopeType type);

}  // namespace scca
