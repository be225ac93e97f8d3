#pragma once
// The ids of a rendered chat, and which of them are answers.
#include <cstdint>
#include <vector>

#include "models/tokenizer/chat_template.h"
#include "models/tokenizer/tokenizer.h"

namespace scca {

struct ChatIds {
  std::vector<int32_t> ids;
  std::vector<bool> answer;  // of each id, whether it belongs to an answer: what a loss on answers counts
};

/// The ids that transformers' apply_chat_template gives, but that no content becomes a control token: text
/// between two tokens is encoded as one (Tokenizer::encode_plain), so that one that spells "</s>" or
/// "<|im_end|>" stays text. An id that holds the end of the text before an answer together with the answer's
/// beginning is the answer's. A word of the form's own frame ("[INST]", "<|user|>") is a token where the
/// vocabulary has it, in the frame alone. Nothing is put in front: BOS is among the parts. Throws Error for a
/// token that the vocabulary has not, and for a content that an added token which is not marked special turns
/// into one of the form's own.
ChatIds encode_chat(const Tokenizer& tokenizer, const std::vector<ChatPart>& parts);

/// The id of a part that is a token, BOS or EOS. Throws Error where the vocabulary has none.
int32_t chat_token(const Tokenizer& tokenizer, const ChatPart& part);

}  // namespace scca
