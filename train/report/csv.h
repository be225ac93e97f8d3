#pragma once
// Figures for a spreadsheet or a data frame.
#include <string>
#include <vector>

namespace scca {

/// One line of RFC 4180, ended by LF: fields with a comma, a quote or a line end stand in quotes.
std::string csv_line(const std::vector<std::string>& fields);

/// The shortest decimal number that reads as the same double; of what is not finite nothing, an empty field.
std::string csv_number(double value);

}  // namespace scca
