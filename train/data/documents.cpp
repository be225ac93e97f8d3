#include "train/data/documents.h"

#include <algorithm>
#include <memory>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/utf8.h"
#include "train/data/data_folder.h"
#include "train/data/file_kind.h"
#include "train/data/json_record.h"
#include "train/data/record_form.h"
#include "train/data/text_source.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

/// The documents of an open file, one after the other.
class Documents {
 public:
  Documents(const fs::path& file, const std::string& text_field) : source_(file), text_field_(text_field) {
    const std::string& beginning = source_.beginning();
    if (begins_as_array(beginning)) {
      kind_ = Kind::array;
    } else if (begins_as_objects(beginning) || has_ending(file, ".jsonl") || has_ending(file, ".ndjson") ||
               has_ending(file, ".json")) {
      kind_ = Kind::lines;
    }
  }

  bool is_json() const { return kind_ != Kind::text; }
  bool is_array() const { return kind_ == Kind::array; }

  /// The next record, which may be empty; false at the end.
  bool next(Document& document) {
    return kind_ == Kind::lines ? next_line(document) : next_element(document);
  }

  /// A file of text, part by part.
  void take_text(const TakeDocument& take, DocumentForm& form) {
    TextParts parts(form.cut, form.part_bytes);
    TextCheck check(source_.name());
    std::string read;
    bool begins = true;
    for (bool more = true; more;) {
      more = source_.next_block(read);
      std::string block = read.substr(0, more ? whole_characters(read) : read.size());
      read.erase(0, block.size());
      check.add(block);
      if (!more) check.finish();
      if (!check.good()) continue;
      if (!block.empty()) form.text.apply(block, std::exchange(begins, false));
      parts.add(block);
      if (!more) parts.end();
      for (Document part; parts.next(part);) take(std::move(part));
    }
  }

 private:
  enum class Kind : uint8_t { text, lines, array };

  /// Bytes of what is read that are sure to end with a character, and not between CR and LF.
  static size_t whole_characters(std::string_view text) {
    size_t begin = text.size();
    while (begin > 0 && text.size() - begin < 3 && (static_cast<uint8_t>(text[begin - 1]) & 0xc0) == 0x80)
      --begin;
    if (begin > 0 && static_cast<uint8_t>(text[begin - 1]) >= 0xc0 &&
        utf8_character(text.substr(begin - 1)) == 0)
      text = text.substr(0, begin - 1);
    return text.size() - text.ends_with('\r');
  }

  bool next_line(Document& document) {
    std::string_view line;
    do
      if (!source_.next_line(line)) return false;
    while (line.find_first_not_of(" \t") == line.npos);
    const std::string where = concat(source_.name(), ":", source_.line_number());
    line.remove_prefix(line.find_first_not_of(" \t"));
    line.remove_suffix(line.size() - line.find_last_not_of(" \t") - 1);
    SCCA_CHECK(!line.ends_with("},"), where, ": a comma stands behind the object, as in an array; JSONL's ",
               "records have none: sed 's/,[[:space:]]*$//' FILE > OUT.jsonl");
    SCCA_CHECK(line[0] != '{' || line.back() == '}', where,
               ": the object does not end on this line, as JSONL's ",
               "records do; write it so (jq -c . FILE > OUT.jsonl), or is the file cut short?");
    document = document_of(JsonRecord(line, where), text_field_);
    return true;
  }

  bool next_element(Document& document) {
    if (taken_ == 0) {
      array_ = without_mark(source_.rest());
      elements_ = json_elements(array_, source_.name());
    }
    if (taken_ == elements_.size()) return false;
    const std::string_view element = elements_[taken_++];
    const std::string where = concat(source_.name(), ": record ", taken_);
    if (element[0] == '"')
      document = {.text = checked_text(parse_json(element, where).get<std::string>(), "text", where)};
    else
      document = document_of(JsonRecord(element, where), text_field_);
    return true;
  }

  TextSource source_;
  std::string text_field_;
  Kind kind_ = Kind::text;
  size_t taken_ = 0;
  std::string array_;
  std::vector<std::string_view> elements_;
};

}  // namespace

std::vector<fs::path> data_files(const std::vector<std::string>& paths, const std::string& text_field,
                                 const std::function<void(const std::string&)>& note) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    SCCA_CHECK(fs::exists(path), path, ": there is no such file or folder",
               path == "-" ? "; stdin is /dev/stdin here" : "");
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    const FolderFiles inside = files_of_folder(path, text_field);
    const std::string left_out = inside.left_out_text();
    SCCA_CHECK(!inside.files.empty(), path, ": this folder holds no text; expected ", text_endings(),
               ", found ", left_out.empty() ? "nothing" : left_out);
    if (note && !left_out.empty()) note(concat("left out of ", path, ": ", left_out));
    files.insert(files.end(), inside.files.begin(), inside.files.end());
  }
  return files;
}

void for_each_document(const fs::path& file, const TakeDocument& take, DocumentForm& form) {
  Documents documents(file, form.text_field);
  if (!documents.is_json()) return documents.take_text(take, form);
  for (Document document; documents.next(document);) {
    for (std::string* text : {&document.text, &document.prompt, &document.completion})
      if (!text->empty()) form.text.apply(*text);
    for (ChatMessage& message : document.messages) {
      form.text.apply(message.content);
      if (message.thought) form.text.apply(*message.thought);
    }
    if (document.text.size() > form.part_bytes) {
      TextParts parts(form.cut, form.part_bytes);
      parts.add(document.text);
      parts.end();
      for (Document part; parts.next(part);) take(std::move(part));
    } else if (!document.empty()) {
      take(std::move(document));
    }
    document = {};
  }
}

void for_each_document(const fs::path& file, const TakeDocument& take) {
  DocumentForm form;
  for_each_document(file, take, form);
}

std::string why_no_texts(const fs::path& file, const std::string& text_field) {
  const std::string without = "without texts";
  bool is_array = false;
  try {
    Documents documents(file, text_field);
    is_array = documents.is_array();
    Document document;
    return documents.is_json() && documents.next(document) ? "" : without;
  } catch (const NoText&) {
    return without;
  } catch (const Error&) {
    if (is_array) throw;
  }
  try {
    parse_json(without_mark(read_text_file(file)), file.string());
    return without;
  } catch (const Error&) {
    return "that cannot be read";
  }
}

std::string read_text(const fs::path& file, TextForm& form) {
  TextSource source(file);
  std::string text = source.rest();
  check_text(text, source.name());
  form.apply(text);
  return text;
}

size_t first_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_character(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

}  // namespace scca
