#include "models/files/known_fields.h"

#include <algorithm>

#include "core/check.h"

namespace scca {

bool says_nothing(const Json& value) {
  return value.is_null() || value == false || value == "" || (value.is_structured() && value.empty());
}

void check_known_fields(const JsonFields& fields, const std::vector<KnownField>& table) {
  for (const auto& [name, value] : fields.json().items()) {
    const auto known = std::ranges::find(table, name, &KnownField::name);
    if (known == table.end()) {
      SCCA_CHECK(says_nothing(value) || name.starts_with("_"), fields.where(), ": ", short_text(Json(name)),
                 " is ", short_text(value),
                 ", and this program does not know that field: it may change what is computed. "
                 "Remove it if it does not");
    } else if (known->use == KnownField::Use::expected) {
      const bool nothing =
          value.is_null() || (value.is_structured() && value.empty() && known->values.empty());
      SCCA_CHECK(nothing || std::ranges::find(known->values, value) != known->values.end(), fields.where(),
                 ": ", name, " is ", short_text(value), ", expected ", known->because);
    }
  }
}

}  // namespace scca
