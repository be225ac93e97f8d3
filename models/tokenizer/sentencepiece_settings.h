#pragma once
// The settings in a tokenizer.model that SentencePiece's own interface does not show.
#include <optional>
#include <string_view>

namespace scca {

/// From sentencepiece_model.proto: TrainerSpec and NormalizerSpec, with their defaults.
struct SentencePieceSettings {
  bool is_bpe = false;             // model_type
  bool spaces_at_end = false;      // treat_whitespace_as_suffix: a word's space is its last character
  bool adds_leading_space = true;  // add_dummy_prefix
  bool maps_characters = false;    // a character map
  bool collapses_spaces = true;    // remove_extra_whitespaces
  bool rewrites_text = true;       // anything but identity: a character map, spaces collapsed or not escaped
};

/// Empty when the bytes are not a model's.
std::optional<SentencePieceSettings> sentencepiece_settings(std::string_view serialized_model);

}  // namespace scca
