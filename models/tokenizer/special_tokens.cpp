#include "models/tokenizer/special_tokens.h"

#include <algorithm>

#include "core/check.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

/// -1 for a text that is no token.
int32_t id_of(const std::string& text, const BpeVocabulary& vocabulary) {
  const auto added = std::ranges::find(vocabulary.added, text, &BpeAddedToken::text);
  if (added != vocabulary.added.end()) return added->id;
  const auto piece = std::ranges::find(vocabulary.pieces, text);
  return piece == vocabulary.pieces.end() ? -1 : static_cast<int32_t>(piece - vocabulary.pieces.begin());
}

/// The id of {"SpecialToken": {"id": "<s>"}} by the template's own list.
int32_t template_id(const Json& token, const JsonFields& fields) {
  const Json* list = fields.object("special_tokens");
  const std::string name = token.is_object() ? JsonFields(token, fields.where()).text("id").value_or("") : "";
  const Json* entry = list && list->contains(name) ? &(*list)[name] : nullptr;
  const bool one = entry && entry->is_object() && entry->contains("ids") && (*entry)["ids"].is_array() &&
                   (*entry)["ids"].size() == 1 && (*entry)["ids"][0].is_number_integer();
  SCCA_CHECK(one, fields.where(), ": special_tokens has ", entry ? short_text(*entry) : "nothing", " for ",
             short_text(Json(name)), ", expected one id");
  const Json& id = (*entry)["ids"][0];
  SCCA_CHECK(id >= 0 && id < INT32_MAX, fields.where(), ": special_tokens has id ", short_text(id), " for ",
             short_text(Json(name)), ", expected one of the vocabulary");
  return id.get<int32_t>();
}

/// The id of the first that is named by this key; -1 for none.
int32_t special_id(const std::vector<NamedToken>& named, const char* key, const BpeVocabulary& vocabulary) {
  const auto found = std::ranges::find(named, key, &NamedToken::key);
  return found == named.end() ? -1 : id_of(found->text, vocabulary);
}

}  // namespace

void read_template(const JsonFields& fields, BpeVocabulary& vocabulary) {
  const auto found = fields.json().find("single");
  SCCA_CHECK(found != fields.json().end() && found->is_array(), fields.where(),
             ": TemplateProcessing has no list named single");
  std::vector<int32_t> before, behind;
  bool text = false;
  for (const Json& item : *found) {
    const std::string kind = item.is_object() && item.size() == 1 ? item.begin().key() : "";
    SCCA_CHECK(kind == "SpecialToken" || (kind == "Sequence" && !text), fields.where(), ": single has ",
               short_text(item), ", expected tokens around one text");
    if (kind == "Sequence")
      text = true;
    else
      (text ? behind : before).push_back(template_id(item.begin().value(), fields));
  }
  SCCA_CHECK(text && before.size() < 2 && behind.size() < 2, fields.where(), ": single is ",
             short_text(*found), ", expected a text with at most a token in front and one behind");
  SpecialIds& special = vocabulary.special;
  special.adds_bos = !before.empty();
  if (!before.empty()) special.bos = before[0];
  if (!behind.empty()) special.eos = behind[0];
}

void read_special_tokens(const fs::path& folder, BpeVocabulary& vocabulary) {
  vocabulary.added = listed_tokens(folder, vocabulary.added);
  const std::vector<NamedToken> named = named_tokens(folder);
  for (const NamedToken& token : named) {
    BpeAddedToken special;
    special.id = id_of(token.text, vocabulary);
    if (special.id < 0 && token.is_of_texts())
      refuse_unknown(token, "tokenizer.json or a list of added tokens");
    if (special.id < 0 ||
        std::ranges::find(vocabulary.added, token.text, &BpeAddedToken::text) != vocabulary.added.end())
      continue;
    special.text = token.text;
    special.special = true;
    vocabulary.added.push_back(special);
  }
  SpecialIds& special = vocabulary.special;
  if (const auto adds = adds_bos(folder)) special.adds_bos = *adds;
  const int32_t bos = special_id(named, "bos_token", vocabulary),
                eos = special_id(named, "eos_token", vocabulary),
                unk = special_id(named, "unk_token", vocabulary);
  SCCA_CHECK(bos < 0 || special.bos < 0 || bos == special.bos || !special.adds_bos,
             (folder / "tokenizer_config.json").string(), ": bos_token has id ", bos,
             ", but tokenizer.json puts id ", special.bos,
             " in front of a text; use files that belong together");
  if (bos >= 0) special.bos = bos;
  if (eos >= 0) special.eos = eos;
  if (unk >= 0) special.unk = unk;
}

}  // namespace scca
