#pragma once
// The forms in which people write records for training: which fields hold what.
#include <string>

#include "core/check.h"
#include "train/data/document.h"
#include "train/data/json_record.h"

namespace scca {

/// A record in none of the forms: of something else, as a config.json is.
struct NoText : Error {
  using Error::Error;
};

/// With a `text_field` the text is in that field, whatever else there is. Otherwise the first form whose
/// fields are all there:
///   text                       a text
///   messages                   a chat, [{"role", "content"}, ...]; a content may be a list of text parts,
///                              "reasoning_content" is what the assistant thought, and "weight" 0 an answer
///                              that is not to be learned (OpenAI's)
///   conversations              a chat as ShareGPT has it, [{"from": human, gpt or system, "value"}, ...]
///   prompt, completion         two texts (or "response"), or two lists of messages (TRL's), of which the
///                              second is learned
///   instruction, output        Alpaca's: a user's message and its answer; "input" stands behind the message,
///                              the turns of a "history" before it
/// "system" beside a chat or an instruction is the system's message. Throws Error at the
/// record's place: NoText for none of them (with the names of its fields), and for a field of another kind,
/// calls of tools, which a chat here has none of, and a NUL character.
Document document_of(const JsonRecord& record, const std::string& text_field);

/// A JSON string as a document. Throws as document_of.
std::string checked_text(std::string text, const std::string& field, const std::string& where);

}  // namespace scca
