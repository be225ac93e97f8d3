#include "models/tokenizer/tokenizer_json_steps.h"

#include <algorithm>

#include "core/check.h"
#include "models/files/known_fields.h"
#include "models/tokenizer/pre_tokenizers.h"
#include "models/tokenizer/special_tokens.h"
#include "models/tokenizer/utf8.h"

namespace scca {
namespace {

using Use = KnownField::Use;
using Kind = TextStep::Kind;

constexpr char kUnderline[] = "\xe2\x96\x81";  // U+2581

/// A part of the file, "FILE: PART", with its type.
struct Part {
  Part(const Json& json, const std::string& name) : fields(json, name) {
    SCCA_CHECK(json.is_object(), name, ": ", short_text(json), ", expected an object");
    type = fields.text("type").value_or("");
  }
  const Json& json() const { return fields.json(); }
  const std::string& where() const { return fields.where(); }
  void check(std::vector<KnownField> known) const {
    known.push_back({"type", Use::read});
    check_known_fields(fields, known);
  }
  std::string text(const char* key) const {
    const auto value = fields.text(key);
    SCCA_CHECK(value, where(), ": ", type, " has no ", key);
    return *value;
  }
  [[noreturn]] void refuse(const char* built) const {
    fail(where(), ": ", type.empty() ? short_text(json()) : short_text(Json(type)),
         " is not implemented; expected ", built);
  }
  JsonFields fields;
  std::string type;
};

/// Each member of a Sequence, or the part itself; nothing for null. `list`: how the Sequence calls them.
template <class Read>
void each_part(const Json& json, const std::string& where, const char* list, const Read& read) {
  if (json.is_null()) return;
  const Part part(json, where);
  if (part.type != "Sequence") return read(part);
  part.check({{list, Use::read}});
  SCCA_CHECK(json.contains(list) && json[list].is_array(), where, ": Sequence has no list of ", list);
  for (const Json& member : json[list]) each_part(member, where, list, read);
}

const Json& part_of(const JsonFields& file, const char* name) {
  static const Json none;
  return file.json().contains(name) ? file.json()[name] : none;
}

/// {"String": "x"} or {"Regex": "x"}
PatternText pattern_of(const Part& part) {
  const Json* pattern = part.fields.object("pattern");
  SCCA_CHECK(pattern && pattern->size() == 1, part.where(), ": ", part.type,
             R"( has no pattern, expected {"String": ...} or {"Regex": ...})");
  const std::string kind = pattern->begin().key();
  SCCA_CHECK((kind == "String" || kind == "Regex") && pattern->begin()->is_string(), part.where(),
             ": pattern is ", short_text(*pattern), R"(, expected {"String": ...} or {"Regex": ...})");
  return {pattern->begin()->get<std::string>(), kind == "Regex"};
}

void read_normalizer(const Part& part, std::vector<TextStep>& steps) {
  if (part.type == "NFC") {
    part.check({});
    steps.push_back({.kind = Kind::nfc});
  } else if (part.type == "Replace") {
    part.check({{"pattern", Use::read}, {"content", Use::read}});
    steps.push_back({.kind = Kind::replace, .pattern = pattern_of(part), .text = part.text("content")});
  } else if (part.type == "Prepend") {
    part.check({{"prepend", Use::read}});
    steps.push_back({.kind = Kind::prepend, .text = part.text("prepend")});
  } else {
    part.refuse("NFC, Replace, Prepend or a Sequence of them");
  }
}

SplitBehavior behavior_of(const Part& part) {
  const std::string name = part.text("behavior");
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail(part.where(), ": behavior is ", short_text(Json(name)),
       ", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

/// always, first or never; older files say add_prefix_space.
std::string scheme_of(const Part& part) {
  const bool prefix = part.fields.boolean("add_prefix_space").value_or(true);
  const std::string scheme = part.fields.text("prepend_scheme").value_or(prefix ? "always" : "never");
  SCCA_CHECK(scheme == "always" || scheme == "first" || scheme == "never", part.where(),
             ": prepend_scheme is ", short_text(Json(scheme)), ", expected always, first or never");
  SCCA_CHECK(prefix || scheme == "never", part.where(), ": add_prefix_space is false, but prepend_scheme is ",
             scheme, "; expected the two to agree");
  return scheme;
}

const std::vector<KnownField> kMetaspaceFields = {
    {"replacement", Use::read}, {"prepend_scheme", Use::read}, {"add_prefix_space", Use::read},
    {"split", Use::read},       {"str_rep", Use::harmless},  // the replacement once more
};

/// The one character that stands for a space.
std::string replacement_of(const Part& part) {
  const std::string mark = part.text("replacement");
  SCCA_CHECK(!mark.empty() && utf8_character(mark) == mark.size(), part.where(), ": replacement is ",
             short_text(Json(mark)), ", expected one character");
  return mark;
}

void read_metaspace(const Part& part, std::vector<TextStep>& steps) {
  part.check(kMetaspaceFields);
  const std::string mark = replacement_of(part), scheme = scheme_of(part);
  steps.push_back({.kind = Kind::replace, .pattern = {" "}, .text = mark});
  if (scheme != "never")
    steps.push_back(
        {.kind = Kind::prepend, .text = mark, .unless_there = true, .first_only = scheme == "first"});
  if (part.fields.boolean("split").value_or(true))
    steps.push_back({.kind = Kind::split, .pattern = {mark}, .behavior = SplitBehavior::merged_with_next});
}

const std::vector<KnownField> kByteLevelFields = {
    {"add_prefix_space", Use::read},
    {"use_regex", Use::read},
    {"trim_offsets", Use::harmless},  // where a piece begins in the text, which nothing here asks
};

void read_pre_tokenizer(const Part& part, BpeVocabulary& vocabulary) {
  std::vector<TextStep>& steps = vocabulary.pre_tokenizer;
  SCCA_CHECK(!vocabulary.byte_level, part.where(), ": ", part.type,
             " behind ByteLevel is not implemented; expected ByteLevel to be the last");
  if (part.type == "ByteLevel") {
    part.check(kByteLevelFields);
    if (part.fields.boolean("add_prefix_space").value_or(true))
      steps.push_back({.kind = Kind::prepend, .text = " ", .unless_there = true});
    if (part.fields.boolean("use_regex").value_or(true)) steps.push_back(gpt2_words());
    vocabulary.byte_level = true;
  } else if (part.type == "Split") {
    part.check({{"pattern", Use::read}, {"behavior", Use::read}, {"invert", Use::read}});
    steps.push_back({.pattern = pattern_of(part),
                     .behavior = behavior_of(part),
                     .invert = part.fields.boolean("invert").value_or(false)});
  } else if (part.type == "Digits") {
    part.check({{"individual_digits", Use::read}});
    steps.push_back(digits(part.fields.boolean("individual_digits").value_or(false)));
  } else if (part.type == "Metaspace") {
    read_metaspace(part, steps);
  } else {
    part.refuse("ByteLevel, Split, Digits, Metaspace or a Sequence of them");
  }
}

/// What the steps of a decoder came to.
struct Decoder {
  PieceDecoding pieces;
  bool bytes = false, fallback = false, fuse = false;
};

void read_decoder(const Part& part, Decoder& decoder) {
  SCCA_CHECK(!decoder.bytes, part.where(), ": ", part.type, " behind ByteLevel is not implemented");
  if (part.type == "ByteLevel") {
    part.check(kByteLevelFields);
    decoder.bytes = true;
  } else if (part.type == "Replace") {
    part.check({{"pattern", Use::read}, {"content", Use::read}});
    const PatternText pattern = pattern_of(part);
    SCCA_CHECK(!pattern.is_regex && !pattern.text.empty() && !decoder.fuse, part.where(),
               ": Replace by a regular expression or behind Fuse is not implemented");
    decoder.pieces.replace.emplace_back(pattern.text, part.text("content"));
  } else if (part.type == "ByteFallback") {
    part.check({});
    decoder.fallback = true;
  } else if (part.type == "Fuse") {
    part.check({});
    decoder.fuse = true;
  } else if (part.type == "Strip") {
    part.check({{"content", Use::expected, {" "}, "a space: nothing else is taken away"},
                {"start", Use::read},
                {"stop", Use::expected, {0}, "0: nothing is taken away at the end"}});
    SCCA_CHECK(decoder.fuse, part.where(),
               ": Strip of each piece is not implemented; expected it behind Fuse");
    decoder.pieces.strip = part.fields.integer("start").value_or(0);
  } else if (part.type == "Metaspace") {
    part.check(kMetaspaceFields);
    decoder.pieces.replace.emplace_back(replacement_of(part), " ");
    decoder.pieces.first_drops_replaced = scheme_of(part) != "never";
  } else {
    part.refuse("ByteLevel, Metaspace, or a Sequence of Replace, ByteFallback, Fuse and Strip");
  }
}

}  // namespace

void read_steps(const JsonFields& file, BpeVocabulary& vocabulary) {
  const std::string& where = file.where();
  vocabulary.byte_level = false;
  each_part(part_of(file, "normalizer"), where + ": normalizer", "normalizers",
            [&](const Part& part) { read_normalizer(part, vocabulary.normalizer); });
  each_part(part_of(file, "pre_tokenizer"), where + ": pre_tokenizer", "pretokenizers",
            [&](const Part& part) { read_pre_tokenizer(part, vocabulary); });
  Decoder decoder;
  each_part(part_of(file, "decoder"), where + ": decoder", "decoders",
            [&](const Part& part) { read_decoder(part, decoder); });
  SCCA_CHECK(decoder.bytes == vocabulary.byte_level, where, ": the ",
             decoder.bytes ? "decoder" : "pre-tokenizer", " is ByteLevel and the ",
             decoder.bytes ? "pre-tokenizer" : "decoder", " is not; expected both or neither");
  SCCA_CHECK(decoder.fallback || !vocabulary.byte_fallback, where,
             ": byte_fallback is true, but the decoder has no ByteFallback");
  SCCA_CHECK(decoder.bytes || decoder.fuse || !decoder.pieces.replace.empty(), where,
             ": no decoder that joins pieces; expected ByteLevel, Metaspace, or a Sequence with Fuse");
  vocabulary.decoding = decoder.pieces;
}

void read_post_processor(const JsonFields& file, BpeVocabulary& vocabulary) {
  const std::string where = file.where() + ": post_processor";
  each_part(part_of(file, "post_processor"), where, "processors", [&](const Part& part) {
    if (part.type == "ByteLevel") return part.check(kByteLevelFields);  // offsets alone
    if (part.type != "TemplateProcessing") part.refuse("TemplateProcessing, ByteLevel or a Sequence of them");
    part.check({{"single", Use::read},
                {"pair", Use::harmless},  // two texts at once are never asked for
                {"special_tokens", Use::read}});
    read_template(part.fields, vocabulary);
  });
}

}  // namespace scca
