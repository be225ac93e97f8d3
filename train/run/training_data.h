#pragma once
// The data of a training run, as its settings say.
#include "train/data/data.h"
#include "train/data/document_encoder.h"
#include "train/run/settings.h"

namespace scca {

/// How documents become ids. Holds on to `tokenizer`.
DocumentEncoder encoder_of(const TrainSettings& train, const Tokenizer& tokenizer);
/// How files are read; `flag` is the one that names them.
ReadingOptions reading_of(const TrainSettings& train, const DocumentEncoder& encode, const char* flag);

/// Rows of --data, mixed where the paths have weights. Throws Error as tokenize_data, TokenRows and
/// mixture_of.
TokenRows training_rows(const TrainSettings& train, const Tokenizer& tokenizer);
/// Rows of --eval-data, in the same form.
TokenRows evaluation_rows(const TrainSettings& train, const Tokenizer& tokenizer);

}  // namespace scca
