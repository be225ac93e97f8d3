#pragma once
// The forms in which people write records for training: which fields hold what.
#include <string>

#include "train/data/document.h"
#include "train/data/json_record.h"

namespace scca {

/// With a `text_field` the text is in that field, whatever else there is. Otherwise the first form whose
/// fields are all there:
///   text                               a text
///   messages                           a chat, [{"role", "content"}, ...]
///   conversations                      a chat as ShareGPT has it, [{"from": human, gpt or system, "value"},
///   ...] prompt, completion (or response)   two texts instruction, output; input         Alpaca's: a user's
///   message, with the input behind it, and its answer
/// Throws Error at the record's place: for none of them (with the names of its fields), a field of another
/// kind, and a NUL character.
Document document_of(const JsonRecord& record, const std::string& text_field);

/// A JSON string as a document. Throws as document_of.
std::string checked_text(std::string text, const std::string& field, const std::string& where);

}  // namespace scca
