#include "models/tokenizer/text_cuts.h"

#include <algorithm>
#include <utility>

#include "models/tokenizer/pre_tokenizers.h"
#include "models/tokenizer/text_pattern.h"
#include "models/tokenizer/utf8.h"

namespace scca {
namespace {

using Left = CutPlaces::Left;
using Kind = TextStep::Kind;

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, how pieces spell a space

bool matches(const TextPattern& pattern, std::string_view character) {
  TextRange range;
  return TextPattern::Matches(pattern, character).next(range);
}

/// As the pre-tokenizers' own expressions have it.
bool is_letter(std::string_view character) {
  static const TextPattern kLetter({"[\\p{L}\\p{N}]", true}, "tokenizer");
  return matches(kLetter, character);
}

bool is_visible(std::string_view character) {
  static const TextPattern kVisible({"[\\p{L}\\p{N}\\p{P}\\p{S}]", true}, "tokenizer");
  return matches(kVisible, character);
}

/// Whether form C leaves it alone whatever stands beside it: what is below U+0300, and Han.
bool stays_in_nfc(std::string_view character) {
  const char32_t c = code_point(character);
  return c < 0x300 || (c >= 0x4e00 && c <= 0x9fff);
}

/// Where an expression ends a match between two characters whatever stands around them. No expression here
/// looks back, and what looks ahead asks for white space or the text's end, which stand behind a cut alike.
struct KnownSplit {
  TextStep step;
  CutPlaces places;  // none: it may match nothing that stands beside a cut, so that no match goes over one
};

std::vector<KnownSplit> known_splits() {
  // GPT-2: a space begins a match, other white space stands alone, so that none follows anything else in one.
  constexpr CutPlaces kGpt2 = {Left::visible, Left::visible};
  // LLaMA-3, Qwen2: signs take the newlines behind them along, letters and digits do not; a match with a
  // newline ends behind the last of them.
  constexpr CutPlaces kTiktoken = {Left::letters, Left::letters, true};
  std::vector<KnownSplit> known = {{gpt2_words(), kGpt2}, {digits(true), {}}, {digits(false), {}}};
  for (const char* name : {"llama-bpe", "qwen2"}) known.push_back({pre_tokenizer_steps(name)[0], kTiktoken});
  for (const TextStep& step : pre_tokenizer_steps("default")) known.push_back({step, {}});
  return known;
}

/// Of steps that split by expressions: the first that ends a match there decides, if those before it are
/// known to leave the place alone. What comes behind sees the two sides apart.
CutPlaces places_of_splits(const std::vector<TextStep>& steps) {
  static const std::vector<KnownSplit> kKnown = known_splits();
  bool is_split = false;
  CutPlaces places;
  for (const TextStep& step : steps) {
    if (step.kind == Kind::prepend && !is_split) continue;  // not to what goes on behind a cut
    if (step.kind != Kind::split) return {};
    is_split = true;
    if (places != CutPlaces{}) continue;
    const auto known = std::ranges::find(kKnown, step, &KnownSplit::step);
    if (known == kKnown.end()) return {};
    places = known->places;
  }
  return places;
}

/// Of vocabularies that spell a space as U+2581: before a space that follows another character, where no
/// piece reaches over it or the text is split there.
CutPlaces places_of_marks(const BpeVocabulary& vocabulary, bool words_begin_with_spaces) {
  bool replaced = false, split = words_begin_with_spaces, is_split = false;
  for (const std::vector<TextStep>* steps : {&vocabulary.normalizer, &vocabulary.pre_tokenizer})
    for (const TextStep& step : *steps) {
      if (is_split) return {};
      if (step.kind == Kind::replace && step.pattern == PatternText{" "} && step.text == kSpace) {
        replaced = true;
      } else if (step.kind == Kind::split && replaced && step.pattern == PatternText{std::string(kSpace)} &&
                 step.behavior == SplitBehavior::merged_with_next && !step.invert) {
        split = is_split = true;
      } else if (step.kind != Kind::prepend) {
        return {};
      }
    }
  return replaced && split ? CutPlaces{Left::visible} : CutPlaces{};
}

/// Whether a token that is looked for in the normalized text is never looked for over a cut: it has no white
/// space but in front, and asks nothing of what stands beside it.
bool stays_in_a_word(const BpeAddedToken& token, std::string_view spelled) {
  if (token.single_word || token.takes_space_before || token.takes_space_after) return false;
  while (spelled.starts_with(kSpace)) spelled.remove_prefix(kSpace.size());
  return spelled.find_first_of(" \t\n\r\v\f") == spelled.npos && spelled.find(kSpace) == spelled.npos;
}

}  // namespace

CutPlaces cut_places(const BpeVocabulary& vocabulary, bool words_begin_with_spaces,
                     const std::vector<std::string>& normalized_tokens) {
  size_t next = 0;
  for (const BpeAddedToken& token : vocabulary.added) {
    if (!token.normalized) continue;
    // What is put in front of each part would be put behind such a token, were it just before the cut.
    if (std::ranges::find(vocabulary.pre_tokenizer, Kind::prepend, &TextStep::kind) !=
            vocabulary.pre_tokenizer.end() ||
        !stays_in_a_word(token, normalized_tokens[next++]))
      return {};
  }
  const auto composes = [](const TextStep& step) { return step.kind == Kind::nfc; };
  if (!std::ranges::all_of(vocabulary.normalizer, composes))
    return places_of_marks(vocabulary, words_begin_with_spaces);
  CutPlaces places = places_of_splits(vocabulary.pre_tokenizer);
  if (places == CutPlaces{} && vocabulary.normalizer.empty())
    return places_of_marks(vocabulary, words_begin_with_spaces);
  places.composes = places != CutPlaces{} && !vocabulary.normalizer.empty();
  return places;
}

TextCuts::TextCuts(CutPlaces places, std::vector<std::string> tokens)
    : places_(places), tokens_(std::move(tokens)) {
  for (const std::string& token : tokens_) {
    longest_ = std::max(longest_, token.size());
    first_bytes_ += token.substr(0, 1);
  }
}

/// Whether a cut may follow the last character of `text`.
bool TextCuts::may_end(std::string_view text, Left with) const {
  if (with == Left::nothing) return false;
  size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
    --begin;
  const std::string_view last = text.substr(begin);
  return utf8_character(last) == last.size() && last != kSpace &&
         (with == Left::letters ? is_letter(last) : is_visible(last)) &&
         (!places_.composes || stays_in_nfc(last));
}

/// Whether one begins, ends or goes on at the place.
bool TextCuts::touches_token(std::string_view text, size_t place) const {
  for (size_t at = place - std::min(place, longest_); at <= place; ++at) {
    if (first_bytes_.find(text[at]) == std::string::npos) continue;
    for (const std::string& token : tokens_)
      if (at + token.size() >= place && text.substr(at).starts_with(token)) return true;
  }
  return false;
}

size_t TextCuts::last(std::string_view text) const {
  if (places_ == CutPlaces{}) return 0;
  // A token or character that begins at the cut must be seen whole.
  const size_t ahead = std::max<size_t>(longest_, 4);
  for (size_t place = text.size() - std::min(ahead, text.size()); place > 0; --place) {
    bool here = false;
    if (text[place] == ' ') {
      here = may_end(text.substr(0, place), places_.before_space);
    } else if (text[place] == '\n') {
      here = may_end(text.substr(0, place), places_.before_newline);
    } else if (places_.behind_newline && text[place - 1] == '\n') {
      const std::string_view behind = text.substr(place, utf8_character(text.substr(place)));
      here = !behind.empty() && is_letter(behind) && (!places_.composes || stays_in_nfc(behind));
    }
    if (here && !touches_token(text, place)) return place;
  }
  return 0;
}

}  // namespace scca
