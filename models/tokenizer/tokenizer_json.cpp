#include "models/tokenizer/tokenizer_json.h"

#include <algorithm>

#include "core/check.h"
#include "core/file.h"
#include "models/files/known_fields.h"
#include "models/tokenizer/special_tokens.h"
#include "models/tokenizer/tokenizer_json_steps.h"
#include "nn/json.h"

namespace scca {
namespace {

using Use = KnownField::Use;

/// Fields of the file that are no part of how one text becomes ids.
const std::vector<KnownField> kFileFields = {
    {"version", Use::harmless},
    {"truncation", Use::harmless},  // how texts were cut and filled up into
                                    // batches when it was saved:
    {"padding", Use::harmless},     // what calls `tokenizers` sets both anew
    {"added_tokens", Use::read},
    {"normalizer", Use::read},
    {"pre_tokenizer", Use::read},
    {"post_processor", Use::read},
    {"decoder", Use::read},
    {"model", Use::read},
};

const std::vector<KnownField> kModelFields = {
    {"type", Use::read},
    {"dropout", Use::expected, {0, 0.0}, "none: merges are not left out at random"},
    {"continuing_subword_prefix", Use::expected, {""}, "none: prefixes within words are not implemented"},
    {"end_of_word_suffix", Use::expected, {""}, "none: suffixes at words' ends are not implemented"},
    {"unk_token", Use::read},
    {"fuse_unk", Use::read},
    {"byte_fallback", Use::read},
    {"ignore_merges", Use::read},
    {"vocab", Use::read},
    {"merges", Use::read},
};

const std::vector<KnownField> kAddedFields = {
    {"id", Use::read},     {"content", Use::read},    {"single_word", Use::read}, {"lstrip", Use::read},
    {"rstrip", Use::read}, {"normalized", Use::read}, {"special", Use::read},
};

std::vector<std::string> read_pieces(const Json& vocab, const std::string& where) {
  std::vector<std::string> pieces(vocab.size());
  std::vector<bool> taken(vocab.size());
  for (const auto& [piece, id] : vocab.items()) {
    SCCA_CHECK(id.is_number_integer() && id >= 0 && id < vocab.size(), where,
               ": vocab: ", short_text(Json(piece)), " is ", short_text(id), ", expected an id below ",
               vocab.size(), ", the number of pieces");
    const auto at = id.get<size_t>();
    SCCA_CHECK(!taken[at], where, ": vocab: ", short_text(Json(piece)), " has id ", at, ", as has ",
               short_text(Json(pieces[at])), "; expected each id once");
    taken[at] = true;
    pieces[at] = piece;
  }
  return pieces;
}

std::vector<std::pair<std::string, std::string>> read_merges(const Json& merges, const std::string& where) {
  SCCA_CHECK(merges.is_array(), where, ": merges is ", short_text(merges), ", expected a list");
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(merges.size());
  for (const Json& merge : merges) {
    if (merge.is_string()) {
      pairs.push_back(merge_of(merge.get_ref<const std::string&>(), where));
      continue;
    }
    SCCA_CHECK(merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string(), where,
               ": merge ", pairs.size(), " is ", short_text(merge), R"(, expected "a b" or ["a", "b"])");
    pairs.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  return pairs;
}

void read_model(const Json& model, const std::string& where, BpeVocabulary& vocabulary) {
  const JsonFields fields(model, where);
  const std::string type = fields.text("type").value_or("BPE");  // old files say nothing
  SCCA_CHECK(type == "BPE", where, ": the model is ", short_text(Json(type)),
             ", which is not implemented; expected BPE");
  check_known_fields(fields, kModelFields);
  const Json* vocab = fields.object("vocab");
  SCCA_CHECK(vocab && model.contains("merges"), where, ": the model has no vocab or no merges");
  vocabulary.pieces = read_pieces(*vocab, where);
  vocabulary.merges = read_merges(model["merges"], where);
  vocabulary.byte_fallback = fields.boolean("byte_fallback").value_or(false);
  vocabulary.fuse_unknown = fields.boolean("fuse_unk").value_or(false);
  vocabulary.ignore_merges = fields.boolean("ignore_merges").value_or(false);
  if (const auto unknown = fields.text("unk_token")) {
    const auto found = std::ranges::find(vocabulary.pieces, *unknown);
    SCCA_CHECK(found != vocabulary.pieces.end(), where, ": unk_token is ", short_text(Json(*unknown)),
               ", which is no piece of vocab");
    vocabulary.unknown = static_cast<int32_t>(found - vocabulary.pieces.begin());
  }
}

}  // namespace

std::vector<BpeAddedToken> read_added(const Json& list, const std::string& where) {
  std::vector<BpeAddedToken> added;
  if (list.is_null()) return added;
  SCCA_CHECK(list.is_array(), where, ": added_tokens is ", short_text(list), ", expected a list");
  for (const Json& entry : list) {
    SCCA_CHECK(entry.is_object(), where, ": an added token is ", short_text(entry), ", expected an object");
    const JsonFields fields(entry, where + ": added_tokens");
    check_known_fields(fields, kAddedFields);
    BpeAddedToken token = added_token(fields);
    const auto id = fields.integer("id");
    SCCA_CHECK(id && *id >= 0 && *id < INT32_MAX, where, ": an added token is ", short_text(entry),
               ", expected an id of 0 or more in it");
    token.id = static_cast<int32_t>(*id);
    added.push_back(std::move(token));
  }
  return added;
}

BpeVocabulary parse_tokenizer_json(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  SCCA_CHECK(json.is_object(), where, ": ", short_text(json), ", expected a JSON object");
  const JsonFields fields(json, where);
  const Json* model = fields.object("model");
  SCCA_CHECK(model, where, ": no model in it; expected a tokenizer.json of the tokenizers library");
  BpeVocabulary vocabulary;
  read_model(*model, where, vocabulary);
  check_known_fields(fields, kFileFields);
  if (json.contains("added_tokens")) vocabulary.added = read_added(json["added_tokens"], where);
  read_steps(fields, vocabulary);
  vocabulary.special.unk = vocabulary.unknown;
  read_post_processor(fields, vocabulary);
  return vocabulary;
}

BpeVocabulary read_tokenizer_json(const std::filesystem::path& file) {
  BpeVocabulary vocabulary = parse_tokenizer_json(read_text_file(file), file.string());
  read_special_tokens(file.parent_path(), vocabulary);
  return vocabulary;
}

namespace {

/// A step of a pre-tokenizer, as it is read.
Json split_json(const TextStep& step) {
  static constexpr const char* kBehaviors[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                               "Contiguous"};
  SCCA_CHECK(step.kind == TextStep::Kind::split,
             "tokenizer.json: a pre-tokenizer that rewrites is not written");
  return {{"type", "Split"},
          {"pattern", {{step.pattern.is_regex ? "Regex" : "String", step.pattern.text}}},
          {"behavior", kBehaviors[static_cast<int>(step.behavior)]},
          {"invert", step.invert}};
}

Json byte_level_json() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

Json post_processor_json(const BpeVocabulary& vocabulary) {
  const int32_t bos = vocabulary.special.bos;
  if (!vocabulary.special.adds_bos || bos < 0) return byte_level_json();
  SCCA_CHECK(bos < std::ssize(vocabulary.pieces), "tokenizer.json: BOS is id ", bos, ", expected one of the ",
             vocabulary.pieces.size(), " pieces");
  const std::string& text = vocabulary.pieces[static_cast<size_t>(bos)];
  const Json front{{"SpecialToken", {{"id", text}, {"type_id", 0}}}};
  const Json first{{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
      second{{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {{"type", "TemplateProcessing"},
          {"single", {front, first}},
          {"pair", {front, first, second}},
          {"special_tokens", {{text, {{"id", text}, {"ids", {bos}}, {"tokens", {text}}}}}}};
}

}  // namespace

Json tokenizer_json(const BpeVocabulary& vocabulary) {
  SCCA_CHECK(vocabulary.byte_level, "tokenizer.json: a vocabulary that is not byte-level is not written");
  Json vocab = Json::object(), merges = Json::array(), added = Json::array(), splits = Json::array();
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) vocab[vocabulary.pieces[id]] = id;
  for (const auto& [left, right] : vocabulary.merges) merges.push_back({left, right});
  for (const BpeAddedToken& token : vocabulary.added)
    added.push_back({{"id", token.id},
                     {"content", token.text},
                     {"single_word", token.single_word},
                     {"lstrip", token.takes_space_before},
                     {"rstrip", token.takes_space_after},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  for (const TextStep& step : vocabulary.pre_tokenizer) splits.push_back(split_json(step));
  splits.push_back(byte_level_json());
  Json normalizer;
  for (const TextStep& step : vocabulary.normalizer) {
    SCCA_CHECK(step.kind == TextStep::Kind::nfc, "tokenizer.json: only NFC is written as a normalizer");
    normalizer = {{"type", "NFC"}};
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", normalizer},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", splits}}},
          {"post_processor", post_processor_json(vocabulary)},
          {"decoder", byte_level_json()},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", vocabulary.ignore_merges},
            {"vocab", vocab},
            {"merges", merges}}}};
}

}  // namespace scca
