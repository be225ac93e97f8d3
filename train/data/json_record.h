#pragma once
// Records of which a reader wants a field or two: JSON objects in a file of lines or in an array. Fields are
// found by their quotes and brackets, and only those that are wanted are parsed. The others may hold what
// leaves the structure clear, whatever a JSON reader thinks of it: NaN, a number beyond all range, half a
// surrogate, bytes that are no UTF-8, a key twice, brackets to any depth.
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/json.h"

namespace scca {

class JsonRecord {
 public:
  /// `text` is one object with nothing around it but blanks, and must outlive this. `where` begins every
  /// message. Throws Error when it is something else.
  JsonRecord(std::string_view text, std::string where);

  /// An object of those of the `wanted` fields that are there. Throws Error when one comes twice, and as
  /// parse_json.
  Json fields(const std::vector<std::string>& wanted) const;
  bool has(const std::string& name) const;
  /// The names of all fields, for a message: "\"id\", \"body\"", the first few of many.
  std::string names() const;

  const std::string& where() const { return where_; }

 private:
  std::string where_;
  std::vector<std::pair<std::string_view, std::string_view>> fields_;  // as they are written, quotes and all
};

/// The elements of an array, each as it is written. Throws Error, as JsonRecord.
std::vector<std::string_view> json_elements(std::string_view array, const std::string& where);

/// True when a text with this beginning can only be meant as JSON: as objects, `{"key":`, or as an array of
/// objects or strings, `[{"key":` or `["...",`. A text may begin with `{{Infobox` or `[Illustration`.
bool begins_as_objects(std::string_view beginning);
bool begins_as_array(std::string_view beginning);

}  // namespace scca
