#include "nn/rope_types.h"

#include <doctest/doctest.h>

#include <string>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

TEST_CASE("rope types: a row for each, found by its names") {
  const auto rows = rope_rows();
  for (size_t i = 0; i < rows.size(); ++i) {
    const RopeRow& row = rows[i];
    CAPTURE(std::string(row.name));
    CHECK(static_cast<size_t>(row.type) == i);
    CHECK(&row_of(row.type) == &row);
    CHECK(rope_type_of(row.name) == row.type);
    CHECK(rope_type_names().find(row.name) != std::string::npos);
    if (row.in_file) CHECK(rope_type_of(row.in_file) == row.type);
    // what no reader knows by name is written by a theta
    CHECK((row.in_file == nullptr) == (row.plain_theta != nullptr));
  }
  CHECK(error_of([&] { row_of(static_cast<RopeType>(rows.size())); }) ==
        concat("rope: type ", rows.size(), " has no row"));
}

TEST_CASE("rope types: a factor counts where a type has one") {
  for (const RopeRow& row : rope_rows()) {
    CAPTURE(std::string(row.name));
    RopeScaling rope{.type = row.type, .factor = 0.5, .original_length = 64};
    rope.short_factor = rope.long_factor = {1, 1, 1, 1};
    const std::string error = error_of([&] { check_rope_scaling(rope, 8); });
    CHECK(error == (row.has_factor() ? concat("rope ", row.name, ": factor is 0.5, expected at least 1")
                                     : std::string("no error")));
    const auto at = [&](double factor) {
      rope.factor = factor;
      return inverse_frequencies(rope, 8, 100);
    };
    CHECK((at(2) != at(4)) == row.has_factor());
  }
}
