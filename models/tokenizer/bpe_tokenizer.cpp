#include "models/tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/check.h"
#include "models/tokenizer/utf8.h"
#include "nn/json.h"

namespace scca {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, how SentencePiece's pieces spell a space

std::vector<BpeAddedToken> tokens_where(const std::vector<BpeAddedToken>& tokens, bool normalized) {
  std::vector<BpeAddedToken> some;
  std::ranges::copy_if(tokens, std::back_inserter(some),
                       [&](const BpeAddedToken& token) { return token.normalized == normalized; });
  return some;
}

std::vector<BpeAddedToken> plain(std::vector<BpeAddedToken> tokens) {
  std::erase_if(tokens, [](const BpeAddedToken& token) { return token.special; });
  return tokens;
}

std::vector<std::string> texts_of(const std::vector<BpeAddedToken>& tokens) {
  std::vector<std::string> texts;
  for (const BpeAddedToken& token : tokens) texts.push_back(token.text);
  return texts;
}

/// True when U+2581 stands behind another character.
bool has_space_within(std::string_view piece) {
  while (piece.starts_with(kSpace)) piece.remove_prefix(kSpace.size());
  return piece.find(kSpace) != std::string_view::npos;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

bool is_valid(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = utf8_character(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace

/// Encodes each word once and looks it up after that.
class BpeTokenizer::Words {
 public:
  explicit Words(const Bpe& bpe) : bpe_(bpe) {}

  /// `word` must live as long as this.
  void encode(std::string_view word, std::vector<int32_t>& ids) {
    const auto [known, fresh] = known_.try_emplace(word);
    auto& [begin, end] = known->second;
    if (fresh) {
      begin = made_.size();
      bpe_.encode(word, made_);
      end = made_.size();
    }
    ids.insert(ids.end(), made_.begin() + static_cast<std::ptrdiff_t>(begin),
               made_.begin() + static_cast<std::ptrdiff_t>(end));
  }

 private:
  const Bpe& bpe_;
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> known_;
  std::vector<int32_t> made_;
};

BpeTokenizer::BpeTokenizer(BpeVocabulary vocabulary, const std::string& where)
    : bpe_(vocabulary, where),
      normalizer_(vocabulary.normalizer, where),
      pre_tokenizer_(vocabulary.pre_tokenizer, where),
      found_(finders(vocabulary.added, where)),
      found_plain_(finders(plain(vocabulary.added), where)),
      pieces_(std::ssize(vocabulary.pieces)),
      spelled_(std::move(vocabulary.pieces)),
      strip_(vocabulary.decoding.strip),
      byte_level_(vocabulary.byte_level),
      by_words_(words_begin_with_spaces(vocabulary.ignore_merges)),
      special_(vocabulary.special) {
  int64_t growth = 1;
  for (const auto& [what, by] : vocabulary.decoding.replace) {
    SCCA_CHECK(!what.empty(), where, ": decoding replaces an empty text, expected one that can be found");
    growth = check_growth(growth * std::max<int64_t>(std::ssize(by), 1), where);
  }
  cuts_ = cuts(vocabulary);
  read_added(vocabulary.added, where);
  read_texts(vocabulary.decoding, vocabulary.added);
  for (const auto& [name, id] :
       {std::pair{"BOS", special_.bos}, {"EOS", special_.eos}, {"UNK", special_.unk}})
    SCCA_CHECK(id >= -1 && id < vocab_size(), where, ": ", name, " is id ", id, ", expected one of the ",
               vocab_size(), " in the vocabulary");
  SCCA_CHECK(!special_.adds_bos || special_.bos >= 0, where,
             ": texts are to begin with BOS, but no token is said to be BOS");
}

BpeTokenizer::Finders BpeTokenizer::finders(const std::vector<BpeAddedToken>& added,
                                            const std::string& where) const {
  const std::vector<BpeAddedToken> first = tokens_where(added, false), later = tokens_where(added, true);
  return {AddedTokenFinder(first, texts_of(first), where), AddedTokenFinder(later, normalized(later), where)};
}

TextCuts BpeTokenizer::cuts(const BpeVocabulary& vocabulary) const {
  return {cut_places(vocabulary, by_words_, normalized(tokens_where(vocabulary.added, true))),
          texts_of(tokens_where(vocabulary.added, false))};
}

void BpeTokenizer::read_added(const std::vector<BpeAddedToken>& added, const std::string& where) {
  special_added_.resize(spelled_.size());
  std::vector<BpeAddedToken> tokens = added;
  std::ranges::stable_sort(tokens, {}, &BpeAddedToken::id);
  std::unordered_set<std::string_view> texts;
  for (const BpeAddedToken& token : tokens) {
    SCCA_CHECK(texts.insert(token.text).second, where, ": added token ", short_text(Json(token.text)),
               " comes twice, expected each text once");
    SCCA_CHECK(token.id >= 0 && token.id <= vocab_size(), where, ": added token ",
               short_text(Json(token.text)), " has id ", token.id, ", expected ", vocab_size(),
               ", the first that is free");
    const auto id = static_cast<size_t>(token.id);
    if (token.id == vocab_size()) {
      const int32_t known = bpe_.find_piece(token.text);
      SCCA_CHECK(known < 0, where, ": added token ", short_text(Json(token.text)), " has id ", token.id,
                 ", but the vocabulary has it as id ", known);
      spelled_.push_back(token.text);
      special_added_.push_back(false);
    }
    SCCA_CHECK(spelled_[id] == token.text, where, ": added token ", short_text(Json(token.text)), " has id ",
               token.id, ", but that is ", short_text(Json(spelled_[id])));
    special_added_[id] = token.special;
    added_ids_[token.text] = token.id;
  }
}

/// An added token that is found in the normalized text stands for what is found.
void BpeTokenizer::read_texts(const PieceDecoding& decoding, const std::vector<BpeAddedToken>& added) {
  std::unordered_map<int32_t, std::string> added_texts;
  for (const BpeAddedToken& token : added)
    added_texts[token.id] = token.normalized ? normalized({token})[0] : token.text;
  texts_.resize(spelled_.size());
  if (decoding.first_drops_replaced) first_texts_.resize(spelled_.size());
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const auto known = added_texts.find(id);
    std::string text = known != added_texts.end() ? known->second : bpe_.bytes(id), first = text;
    if (!is_byte(id))
      for (const auto& [what, by] : decoding.replace) {
        text = replaced(std::move(text), what, by);
        if (decoding.first_drops_replaced) first = replaced(std::move(first), what, "");
      }
    if (special_added_[i]) continue;
    texts_[i] = std::move(text);
    if (decoding.first_drops_replaced) first_texts_[i] = std::move(first);
  }
}

std::vector<std::string> BpeTokenizer::normalized(const std::vector<BpeAddedToken>& tokens) const {
  std::vector<std::string> texts = texts_of(tokens);
  for (std::string& text : texts) {
    std::vector<TextPart> parts{{text, true}};
    KeptTexts kept;
    normalizer_.run(parts, kept);
    text = parts.empty() ? "" : std::string(parts[0].text);
  }
  return texts;
}

/// Whether a word may be encoded apart from the one before it wherever U+2581 follows another character: no
/// piece, and so no merge, reaches over such a place.
bool BpeTokenizer::words_begin_with_spaces(bool ignore_merges) const {
  return !byte_level_ && !ignore_merges && bpe_.find(kSpace) >= 0 &&
         std::ranges::none_of(spelled_, [](const std::string& piece) { return has_space_within(piece); });
}

int32_t BpeTokenizer::token_id(std::string_view spelled) const {
  const auto known = added_ids_.find(std::string(spelled));
  return known == added_ids_.end() ? -1 : known->second;
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text, const Finders& found, Stands stands) const {
  KeptTexts kept;
  if (!is_valid(text)) text = kept.emplace_back(valid_utf8(text));
  std::vector<int32_t> ids;
  Words words(bpe_);
  std::vector<TextPart> parts;
  const auto encode_part = [&](std::string_view part) {
    while (by_words_ && !part.empty()) {
      size_t end = part.find_first_not_of(kSpace);
      // The bytes of U+2581 begin other characters too: a cut is made before the whole of it alone.
      end = part.find(kSpace, std::min(end, part.size()));
      words.encode(part.substr(0, end), ids);
      part.remove_prefix(std::min(end, part.size()));
    }
    if (!part.empty()) words.encode(part, ids);
  };
  const char* const start = text.data();
  const auto part_at = [&](std::string_view part, bool begins) {
    return TextPart{part, begins && stands == Stands::first, begins && stands == Stands::behind_cut};
  };
  for (const auto& [section, token] : found.first.sections(text)) {
    if (token >= 0) {
      ids.push_back(token);
      continue;
    }
    parts.assign(1, part_at(section, section.data() == start));
    normalizer_.run(parts, kept);
    if (parts.empty()) continue;
    const std::string_view whole = parts[0].text;
    for (const auto& [between, normalized_token] : found.normalized.sections(whole)) {
      if (normalized_token >= 0) {
        ids.push_back(normalized_token);
        continue;
      }
      parts.assign(1, part_at(between, section.data() == start && between.data() == whole.data()));
      pre_tokenizer_.run(parts, kept);
      for (const TextPart& part : parts) encode_part(part.text);
    }
  }
  return ids;
}

std::string BpeTokenizer::decode(const std::vector<int32_t>& ids) const {
  std::string text;
  bool first = !first_texts_.empty();
  for (const int32_t id : ids) {
    const auto i = static_cast<size_t>(id);
    if (special_added_[i]) continue;
    text += first ? first_texts_[i] : texts_[i];
    first = false;
  }
  size_t strip = 0;
  while (std::cmp_less(strip, strip_) && strip < text.size() && text[strip] == ' ') ++strip;
  return text.substr(strip);
}

bool BpeTokenizer::is_byte(int32_t id) const { return id < pieces_ && bpe_.is_byte(id); }

std::optional<std::string> BpeTokenizer::loose_bytes(int32_t id) const {
  if (byte_level_ || is_byte(id) || special_added_[static_cast<size_t>(id)])
    return texts_[static_cast<size_t>(id)];
  return std::nullopt;
}

}  // namespace scca
