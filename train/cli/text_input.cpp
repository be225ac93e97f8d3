#include "train/cli/text_input.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <iostream>
#include <iterator>

#include "core/check.h"
#include "core/joined.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/standard_streams.h"
#include "train/data/data.h"
#include "train/data/document_encoder.h"
#include "train/data/documents.h"
#include "train/data/file_kind.h"
#include "train/report/messages.h"

namespace scca {

void add_text_flags(CLI::App& app, TextFlags& flags) {
  begin_section(app, section::kData);
  app.add_option("--data", flags.data, kDataHelp)->type_name("PATH")->required();
  app.add_option("--max-tokens", flags.max_tokens, "Use the first so many tokens of the data (default: all)")
      ->transform(token_count(kMostTextTokens));
  add_line_ends_flag(app, flags.keep_line_ends);
  app.add_option("--text-field", flags.text_field, kTextFieldHelp)->type_name("NAME");
  add_chat_template_flag(app, flags.chat_template);
  app.add_option("--token-cache", flags.token_cache, kTokenCacheHelp)
      ->type_name("FOLDER|off")
      ->capture_default_str();
}

CLI::Option* add_chat_template_flag(CLI::App& app, std::string& chat_template) {
  return app.add_option("--chat-template", chat_template, chat_template_help())->type_name("NAME");
}

std::string chat_template_help() {
  return concat("The form of chats and instructions: ", joined(chat_form_names()),
                " (default: the model's own)");
}

void add_line_ends_flag(CLI::App& app, bool& keep_line_ends) {
  app.add_flag("--keep-line-ends", keep_line_ends, kLineEndsHelp);
}

namespace {

std::string read_stdin(TextForm& form) {
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  check_stdin();
  refuse_binary(std::string_view(text).substr(0, size_t{1} << 16), "stdin");
  check_text(text, "stdin");
  form.apply(text);
  return text;
}

}  // namespace

std::string read_prompt(const std::string& file, std::string text, bool keep_line_ends) {
  TextForm form(keep_line_ends);
  if (file == "-") {
    text = read_stdin(form);
  } else if (!file.empty()) {
    text = read_text(file, form);
  } else {
    form.apply(text);
  }
  if (const Message changes = form.changes(); !changes.text.empty())
    note(message_of(file.empty() ? "the text" : file == "-" ? "stdin" : file, ": ", changes));
  return text;
}

ReadTokens read_documents(const Tokenizer& tokenizer, const TextFlags& flags) {
  if (flags.max_tokens < 0)
    fail<UsageError>("--max-tokens ", flags.max_tokens, ": expected 1 or more, or 0 for all");
  const DocumentEncoder encode(tokenizer, {.bos = flags.bos, .chat_template = flags.chat_template});
  const TokenText text = tokenize_data(flags.data, encode,
                                       {.what = "--data",
                                        .keep_line_ends = flags.keep_line_ends,
                                        .text_field = flags.text_field,
                                        .cut = encode.cut(),
                                        .token_cache = flags.token_cache,
                                        .encoding = encode.description(),
                                        .encoding_files = encode.files()});
  ReadTokens read{text.first(flags.max_tokens), text.starts};
  while (!read.starts.empty() && read.starts.back() >= std::ssize(read.ids)) read.starts.pop_back();
  return read;
}

std::vector<int32_t> read_tokens(const Tokenizer& tokenizer, const TextFlags& flags) {
  return read_documents(tokenizer, flags).ids;
}

std::vector<int32_t> parse_ids(std::string_view text, const std::string& flag) {
  std::vector<int32_t> ids;
  for (const std::string& word : split_list(text)) {
    int32_t id = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0)
      fail<UsageError>(flag, ": '", word, "' is not a token id; expected numbers with commas, as in 1,2,3");
    ids.push_back(id);
  }
  return ids;
}

void check_ids(const std::vector<int32_t>& ids, int64_t vocabulary, const std::string& flag) {
  for (const int32_t id : ids) {
    if (id >= vocabulary)
      fail<UsageError>(flag, ": id ", id, " is beyond the vocabulary; expected 0 to ", vocabulary - 1);
  }
}

}  // namespace scca
