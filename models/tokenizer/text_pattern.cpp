#include "models/tokenizer/text_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/check.h"
#include "nn/json.h"

namespace scca {

struct TextPattern::Regex {
  ~Regex() { pcre2_code_free(code); }
  pcre2_code* code = nullptr;
};

struct TextPattern::Matches::State {
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  pcre2_jit_stack* stack = nullptr;
};

namespace {

std::string error_text(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

PCRE2_SPTR bytes_of(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

pcre2_code* compiled(const std::string& onig, const std::string& where) {
  const std::string regex = pcre2_regex(onig, where);
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code =
      pcre2_compile(bytes_of(regex), regex.size(), PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &at, context);
  pcre2_compile_context_free(context);
  SCCA_CHECK(code, where, ": the regular expression ", short_text(Json(onig)),
             " is not understood: ", error_text(error));
  return code;
}

}  // namespace

TextPattern::TextPattern(const PatternText& pattern, const std::string& where)
    : text_(pattern), where_(where) {
  SCCA_CHECK(!pattern.text.empty(), where, ": an empty pattern, expected a text or a regular expression");
  if (!pattern.is_regex) return;
  regex_ = std::make_unique<Regex>();
  regex_->code = compiled(pattern.text, where);
  uint32_t matches_empty = 0;
  pcre2_pattern_info(regex_->code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
  SCCA_CHECK(matches_empty == 0, where, ": the regular expression ", short_text(Json(pattern.text)),
             " may match nothing at all, expected one that takes at least a character");
  // Where PCRE2 was built without its compiler it interprets: the same matches, slower.
  pcre2_jit_compile(regex_->code, PCRE2_JIT_COMPLETE);
}

TextPattern::~TextPattern() = default;

TextPattern::Matches::Matches(const TextPattern& pattern, std::string_view text)
    : pattern_(pattern), text_(text), state_(std::make_unique<State>()) {
  if (pattern.regex_) state_->data = pcre2_match_data_create(1, nullptr);
}

TextPattern::Matches::~Matches() = default;

void TextPattern::Matches::restart(std::string_view text) {
  text_ = text;
  from_ = 0;
}

bool TextPattern::Matches::next(TextRange& range) {
  if (!pattern_.regex_) {
    range.begin = text_.find(pattern_.text_.text, from_);
    if (range.begin == std::string_view::npos) return false;
    from_ = range.end = range.begin + pattern_.text_.text.size();
    return true;
  }
  const auto match = [&] {
    return pcre2_match(pattern_.regex_->code, bytes_of(text_), text_.size(), from_, PCRE2_NO_UTF_CHECK,
                       state_->data, state_->context);
  };
  int result = match();
  if (result == PCRE2_ERROR_JIT_STACKLIMIT && !state_->stack) {
    constexpr size_t kSmallest = size_t{1} << 16, kLargest = size_t{1} << 28;
    state_->stack = pcre2_jit_stack_create(kSmallest, kLargest, nullptr);
    state_->context = pcre2_match_context_create(nullptr);
    pcre2_jit_stack_assign(state_->context, nullptr, state_->stack);
    result = match();
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  SCCA_CHECK(result >= 0, pattern_.where_, ": the regular expression ", short_text(Json(pattern_.text_.text)),
             " fails on a text: ", error_text(result));
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(state_->data);
  range = {ends[0], ends[1]};
  from_ = range.end;
  return true;
}

}  // namespace scca
