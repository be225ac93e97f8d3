#pragma once
// Settings files of other programs: every field is known, or says nothing. A field that this program has
// never heard of may change the numbers, so that a list of what is understood is kept, never one of what is
// not.
#include <string>
#include <vector>

#include "nn/json.h"

namespace scca {

struct KnownField {
  enum class Use {
    read,      // used
    harmless,  // changes nothing that is computed here, whatever it holds
    expected,  // must be one of `values`, or null; where there are none also [] or {}
  };
  const char* name;
  Use use;
  std::vector<Json> values = {};
  const char* because = "";  // follows "expected": what is expected and why
};

/// True for null, false, "", [] and {}: a field that holds one of them asks for nothing.
bool says_nothing(const Json& value);

/// Throws Error "WHERE: FIELD is FOUND, expected ..." for a field of the object that holds another value than
/// expected, and for one that is not in the table and says something. Fields that begin with an underscore
/// are private to the program that wrote them and pass.
void check_known_fields(const JsonFields& fields, const std::vector<KnownField>& table);

}  // namespace scca
