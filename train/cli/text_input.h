#pragma once
// Token ids as commands take them: from texts on disk, or written out.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/tokenizer.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace scca {

struct TextFlags {
  std::vector<std::string> data;
  int64_t max_tokens = 0;    // the first so many; 0: all
  std::string bos = "auto";  // before every document; see train/data/bos.h
  bool keep_line_ends = false;
  std::string token_cache = "auto";
  std::string text_field, chat_template;  // train/data/record_form.h, models/tokenizer/chat_template.h
};

/// --data, --max-tokens, --keep-line-ends, --text-field, --chat-template and --token-cache.
void add_text_flags(CLI::App& app, TextFlags& flags);

/// --keep-line-ends: of every command that reads text.
inline constexpr const char* kLineEndsHelp = "Leave CR LF and CR as they are; else they become LF";
void add_line_ends_flag(CLI::App& app, bool& keep_line_ends);

inline constexpr const char* kDataHelp =
    "Text files, JSONL or JSON with texts, chats or instructions, or folders of these";
inline constexpr const char* kTextFieldHelp =
    "The field of a JSON record that holds its text (default: text, messages, conversations, prompt and "
    "completion, or instruction and output)";
inline constexpr const char* kPackHelp =
    "rows: a row is one text, documents: those in a row do not see each other";
inline constexpr const char* kTokenCacheHelp =
    "Where the tokens of texts above 16 MB are kept for the next time; auto: in ~/.cache/scca/tokens";
CLI::Option* add_chat_template_flag(CLI::App& app, std::string& chat_template);
/// With the names of the built-in forms.
std::string chat_template_help();

/// What is to be tokenised at once: the whole of `file` ("-": of stdin), or `text` where no file is named,
/// with LF for line ends as tokenize_data. Throws Error as read_text (train/data/documents.h).
std::string read_prompt(const std::string& file, std::string text, bool keep_line_ends);

/// The documents as one sequence, each followed by EOS, and where each begins. Throws Error when there is no
/// text.
struct ReadTokens {
  std::vector<int32_t> ids;
  std::vector<int64_t> starts;
};
ReadTokens read_documents(const Tokenizer& tokenizer, const TextFlags& flags);
/// The ids alone.
std::vector<int32_t> read_tokens(const Tokenizer& tokenizer, const TextFlags& flags);

/// Ids written with commas: "1,2,3". `flag` is where they were given. Throws UsageError naming what is not an
/// id.
std::vector<int32_t> parse_ids(std::string_view text, const std::string& flag);

/// Throws UsageError naming the first id that is not below `vocabulary`.
void check_ids(const std::vector<int32_t>& ids, int64_t vocabulary, const std::string& flag);

}  // namespace scca
