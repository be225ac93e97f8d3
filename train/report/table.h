#pragma once
// Figures for a person to read, in columns.
#include <string>
#include <vector>

namespace scca {

/// Columns two spaces apart, the first one to the left, the others to the right; the first row is the header.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

/// 3.14159 with 2 digits: "3.14".
std::string fixed(double value, int digits);

}  // namespace scca
