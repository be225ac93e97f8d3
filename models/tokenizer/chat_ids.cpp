#include "models/tokenizer/chat_ids.h"

#include <algorithm>
#include <set>
#include <span>

#include "core/check.h"

namespace scca {
namespace {

using Kind = ChatPart::Kind;

/// How many ids stand before the answer that begins at this byte of the text, or before what follows one.
size_t ids_before(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, std::string_view text,
                  size_t byte, bool behind_token) {
  const std::vector<int32_t> before = tokenizer.encode_plain(text.substr(0, byte), behind_token);
  const size_t shared = std::min(before.size(), ids.size());
  return static_cast<size_t>(
      std::mismatch(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(shared), before.begin()).first -
      ids.begin());
}

/// Parts [begin, end), all of them text.
void encode_texts(const Tokenizer& tokenizer, std::span<const ChatPart> parts, ChatIds& made) {
  std::string text;
  for (const ChatPart& part : parts) text += part.text;
  const bool behind_token = !made.ids.empty();
  const std::vector<int32_t> ids = tokenizer.encode_plain(text, behind_token);
  made.ids.insert(made.ids.end(), ids.begin(), ids.end());
  const size_t before = made.answer.size();
  size_t byte = 0;
  for (const ChatPart& part : parts) {
    byte += part.text.size();
    const size_t end =
        byte == text.size() ? ids.size() : ids_before(tokenizer, ids, text, byte, behind_token);
    made.answer.resize(std::max(before + end, made.answer.size()), part.answer);
  }
}

/// With each word as the token or the text that it is to this tokenizer; texts beside each other are one.
std::vector<ChatPart> with_words(const Tokenizer& tokenizer, const std::vector<ChatPart>& parts) {
  std::vector<ChatPart> made;
  for (ChatPart part : parts) {
    if (part.kind == Kind::word) part.kind = tokenizer.token_id(part.text) < 0 ? Kind::text : Kind::token;
    const bool goes_on = part.kind == Kind::text && !made.empty() && made.back().kind == Kind::text &&
                         made.back().answer == part.answer;
    if (goes_on)
      made.back().text += part.text;
    else
      made.push_back(std::move(part));
  }
  return made;
}

}  // namespace

int32_t chat_token(const Tokenizer& tokenizer, const ChatPart& part) {
  const bool bos = part.kind == Kind::bos, eos = part.kind == Kind::eos;
  const int32_t id = bos ? tokenizer.bos_id() : eos ? tokenizer.eos_id() : tokenizer.token_id(part.text);
  SCCA_CHECK(id >= 0, "chat: the tokenizer has no ",
             bos   ? "BOS"
             : eos ? "EOS"
                   : part.text,
             ", which the chat template needs; choose another one by ", Setting("chat_template"));
  return id;
}

ChatIds encode_chat(const Tokenizer& tokenizer, const std::vector<ChatPart>& rendered) {
  const std::vector<ChatPart> parts = with_words(tokenizer, rendered);
  ChatIds made;
  std::set<int32_t> tokens;
  for (const ChatPart& part : parts)
    if (part.kind != Kind::text) tokens.insert(chat_token(tokenizer, part));
  for (size_t begin = 0; begin < parts.size();) {
    if (parts[begin].kind != Kind::text) {
      made.ids.push_back(chat_token(tokenizer, parts[begin]));
      made.answer.push_back(parts[begin++].answer);
      continue;
    }
    size_t end = begin;
    while (end < parts.size() && parts[end].kind == Kind::text) ++end;
    const size_t before = made.ids.size();
    encode_texts(tokenizer, {parts.data() + begin, end - begin}, made);
    for (size_t i = before; i < made.ids.size(); ++i)
      SCCA_CHECK(!tokens.contains(made.ids[i]), "chat: a message spells ", tokenizer.piece(made.ids[i]),
                 ", which the tokenizer reads as the token that parts turns; take it out");
    begin = end;
  }
  return made;
}

}  // namespace scca
