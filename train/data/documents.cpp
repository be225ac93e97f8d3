#include "train/data/documents.h"

#include <algorithm>
#include <memory>

#include "core/check.h"
#include "models/tokenizer/utf8.h"
#include "train/data/data_folder.h"
#include "train/data/file_kind.h"
#include "train/data/json_record.h"
#include "train/data/text_source.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

/// A JSON string: its control characters are escaped, which nobody does by accident. NUL is in no text.
std::string checked(std::string text, const std::string& where) {
  const size_t nul = text.find('\0');
  SCCA_CHECK(nul == std::string::npos, where, ": \"text\" holds a NUL character, at byte ", nul,
             "; it is no text");
  return text;
}

std::string text_of(const JsonRecord& record) {
  Json fields = record.fields({"text"});
  SCCA_CHECK(
      fields.contains("text"), record.where(), ": has no \"text\" field, but ", record.names(),
      "; put the texts there: jq -c '{text: .NAME}' FILE > OUT.jsonl (of an array: '.[] | {text: .NAME}')");
  SCCA_CHECK(fields["text"].is_string(), record.where(), ": \"text\" is ", short_text(fields["text"]),
             ", expected a string");
  return checked(std::move(fields["text"].get_ref<std::string&>()), record.where());
}

/// The documents of an open file, one after the other.
class Documents {
 public:
  explicit Documents(const fs::path& file) : source_(file) {
    const std::string& beginning = source_.beginning();
    if (begins_as_array(beginning)) {
      kind_ = Kind::array;
    } else if (begins_as_objects(beginning) || has_ending(file, ".jsonl") || has_ending(file, ".ndjson") ||
               has_ending(file, ".json")) {
      kind_ = Kind::lines;
    }
  }

  bool is_json() const { return kind_ != Kind::text; }

  /// The next one, which may be empty; false at the end.
  bool next(std::string& text) {
    switch (kind_) {
      case Kind::text:
        return next_whole(text);
      case Kind::lines:
        return next_line(text);
      case Kind::array:
        return next_element(text);
    }
    return false;
  }

 private:
  enum class Kind : uint8_t { text, lines, array };

  bool next_whole(std::string& text) {
    if (std::exchange(taken_, 1) > 0) return false;
    text = source_.rest();
    check_text(text, source_.name());
    return true;
  }

  bool next_line(std::string& text) {
    std::string_view line;
    do
      if (!source_.next_line(line)) return false;
    while (line.find_first_not_of(" \t") == line.npos);
    const std::string where = concat(source_.name(), ":", source_.line_number());
    line.remove_prefix(line.find_first_not_of(" \t"));
    line.remove_suffix(line.size() - line.find_last_not_of(" \t") - 1);
    SCCA_CHECK(line[0] != '{' || line.back() == '}', where,
               ": the object does not end on this line, as JSONL's ",
               "records do; write it so (jq -c . FILE > OUT.jsonl), or is the file cut short?");
    text = text_of(JsonRecord(line, where));
    return true;
  }

  bool next_element(std::string& text) {
    if (taken_ == 0) {
      array_ = source_.rest();
      elements_ = json_elements(array_, source_.name());
    }
    if (taken_ == elements_.size()) return false;
    const std::string_view element = elements_[taken_++];
    const std::string where = concat(source_.name(), ": record ", taken_);
    if (element[0] == '"')
      text = checked(parse_json(element, where).get<std::string>(), where);
    else
      text = text_of(JsonRecord(element, where));
    return true;
  }

  TextSource source_;
  Kind kind_ = Kind::text;
  size_t taken_ = 0;
  std::string array_;
  std::vector<std::string_view> elements_;
};

}  // namespace

std::vector<fs::path> data_files(const std::vector<std::string>& paths,
                                 const std::function<void(const std::string&)>& note) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    SCCA_CHECK(fs::exists(path), path, ": there is no such file or folder");
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    const FolderFiles inside = files_of_folder(path);
    const std::string left_out = inside.left_out_text();
    SCCA_CHECK(!inside.files.empty(), path, ": this folder holds no text; expected ", text_endings(),
               ", found ", left_out.empty() ? "nothing" : left_out);
    if (note && !left_out.empty()) note(concat("left out of ", path, ": ", left_out));
    files.insert(files.end(), inside.files.begin(), inside.files.end());
  }
  return files;
}

void for_each_document(const fs::path& file, const TakeDocument& take, TextForm& form) {
  Documents documents(file);
  for (std::string text; documents.next(text);) {
    form.apply(text);
    if (!text.empty()) take(std::move(text));
    text.clear();
  }
}

void for_each_document(const fs::path& file, const TakeDocument& take) {
  TextForm form;
  for_each_document(file, take, form);
}

bool holds_texts(const fs::path& file) {
  try {
    Documents documents(file);
    std::string text;
    return documents.is_json() && documents.next(text);
  } catch (const Error&) {
    return false;
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
