#include "models/tokenizer/added_tokens.h"

#include <map>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"

namespace scca {
namespace fs = std::filesystem;
namespace {

/// By id, as the files name them.
class Found {
 public:
  void add(int64_t id, AddedToken token, const std::string& where) {
    SCCA_CHECK(!token.text.empty(), where, ": added token ", id, " has no text");
    const auto [known, fresh] = tokens_.try_emplace(id, token);
    SCCA_CHECK(fresh || known->second.text == token.text, where, ": id ", id, " is ",
               short_text(Json(token.text)), ", but the folder's other files have ",
               short_text(Json(known->second.text)));
  }
  const std::map<int64_t, AddedToken>& tokens() const { return tokens_; }

 private:
  std::map<int64_t, AddedToken> tokens_;
};

int64_t id_of(const std::string& digits, const std::string& where) {
  const bool number =
      !digits.empty() && digits.size() < 10 && digits.find_first_not_of("0123456789") == std::string::npos;
  SCCA_CHECK(number, where, ": added_tokens_decoder has ", short_text(Json(digits)), ", expected a token id");
  return std::stoll(digits);
}

/// {"32000": {"content": "<pad>", "lstrip": false, ...}}
void read_decoder(const Json& decoder, const std::string& where, Found& found) {
  for (const auto& [id, value] : decoder.items()) {
    SCCA_CHECK(value.is_object(), where, ": added token ", short_text(Json(id)), " is ", short_text(value),
               ", expected an object");
    const JsonFields fields(value, where);
    SCCA_CHECK(!fields.boolean("single_word").value_or(false), where, ": added token ", short_text(Json(id)),
               " is a single_word, which is not implemented");
    found.add(id_of(id, where),
              {fields.text("content").value_or(""), fields.boolean("lstrip").value_or(false),
               fields.boolean("rstrip").value_or(false), fields.boolean("special").value_or(false)},
              where);
  }
}

/// {"<pad>": 32000}
void read_list(const Json& list, const std::string& where, Found& found) {
  SCCA_CHECK(list.is_object(), where, ": ", short_text(list), ", expected a JSON object");
  for (const auto& [text, id] : list.items()) {
    SCCA_CHECK(id.is_number_integer() && id >= 0 && id < INT32_MAX, where, ": ", short_text(Json(text)),
               " is ", short_text(id), ", expected a token id");
    found.add(id.get<int64_t>(), {.text = text}, where);
  }
}

}  // namespace

AddedTokens read_added_tokens(const fs::path& folder, int64_t pieces,
                              const std::function<std::string(int32_t)>& piece) {
  AddedTokens added;
  Found found;
  const fs::path settings = folder / "tokenizer_config.json", list = folder / "added_tokens.json";
  if (fs::exists(settings)) {
    const Json json = parse_json(read_text_file(settings), settings.string());
    SCCA_CHECK(json.is_object(), settings.string(), ": ", short_text(json), ", expected a JSON object");
    const JsonFields fields(json, settings.string());
    added.legacy = fields.boolean("legacy").value_or(true);
    added.adds_bos = fields.boolean("add_bos_token").value_or(false);
    if (const Json* decoder = fields.object("added_tokens_decoder"))
      read_decoder(*decoder, settings.string(), found);
  }
  if (fs::exists(list)) read_list(parse_json(read_text_file(list), list.string()), list.string(), found);
  for (const auto& [id, token] : found.tokens()) {
    if (id < pieces) {
      const std::string own = piece(static_cast<int32_t>(id));
      SCCA_CHECK(own == token.text, folder.string(), ": added token ", id, " is ",
                 short_text(Json(token.text)), ", but tokenizer.model has ", short_text(Json(own)),
                 " there; use files that belong together");
      continue;
    }
    const int64_t next = pieces + std::ssize(added.tokens);
    SCCA_CHECK(id == next, folder.string(), ": added tokens go on with id ", id, ", expected ", next,
               ", the first that is free");
    added.tokens.push_back(token);
  }
  return added;
}

AddedTokenAt find_added_token(const std::vector<AddedToken>& tokens, std::string_view text, size_t begin,
                              bool special) {
  std::string first_bytes;
  for (const AddedToken& token : tokens) first_bytes += token.text[0];
  AddedTokenAt at;
  for (at.begin = text.find_first_of(first_bytes, begin); at.begin != std::string_view::npos;
       at.begin = text.find_first_of(first_bytes, at.begin + 1)) {
    size_t longest = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const std::string& wanted = tokens[i].text;
      if (tokens[i].special && !special) continue;
      if (wanted.size() <= longest || !text.substr(at.begin).starts_with(wanted)) continue;
      longest = wanted.size();
      at.token = static_cast<int64_t>(i);
    }
    if (at.token >= 0) return at;
  }
  return {text.size(), -1};
}

}  // namespace scca
