#include "models/tokenizer/sentencepiece_settings.h"

#include <cstdint>

#include "models/tokenizer/protobuf.h"

namespace scca {

std::optional<SentencePieceSettings> sentencepiece_settings(std::string_view serialized_model) {
  constexpr uint64_t kTrainer = 2, kNormalizer = 3;                      // in ModelProto
  constexpr uint64_t kModelType = 3, kSuffix = 24;                       // in TrainerSpec
  constexpr uint64_t kMap = 2, kPrefix = 3, kCollapse = 4, kEscape = 5;  // in NormalizerSpec
  constexpr uint64_t kBpe = 2;

  SentencePieceSettings settings;
  bool escapes = true, good = true;
  ProtobufFields model(serialized_model);
  while (model.next()) {
    ProtobufFields fields(model.number == kTrainer || model.number == kNormalizer ? model.bytes
                                                                                  : std::string_view());
    while (fields.next()) {
      if (model.number == kTrainer) {
        if (fields.number == kModelType) settings.is_bpe = fields.value == kBpe;
        if (fields.number == kSuffix) settings.spaces_at_end = fields.value != 0;
      } else {
        if (fields.number == kMap) settings.maps_characters = !fields.bytes.empty();
        if (fields.number == kPrefix) settings.adds_leading_space = fields.value != 0;
        if (fields.number == kCollapse) settings.collapses_spaces = fields.value != 0;
        if (fields.number == kEscape) escapes = fields.value != 0;
      }
    }
    good = good && fields.good();
  }
  if (!good || !model.good()) return std::nullopt;
  settings.rewrites_text = settings.maps_characters || settings.collapses_spaces || !escapes;
  return settings;
}

}  // namespace scca
