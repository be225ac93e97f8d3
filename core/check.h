#pragma once
// Errors: one clear line that says what was wrong, what was found, what was expected and what to do.
#include <sstream>
#include <stdexcept>
#include <string>

namespace scca {

/// Something could not be done (a bad file, a shape that does not fit). The command line exits with 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The caller asked for something that has no meaning (a flag, a spec). The command line exits with 2.
struct UsageError : Error {
  using Error::Error;
};

/// Its arguments written one after the other: concat("rank ", 3, " < ", 1.5).
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw E(concat(parts...));
}

}  // namespace scca

/// Throws scca::Error with the remaining arguments as its message; they are only evaluated on failure.
#define SCCA_CHECK(condition, ...)               \
  do {                                           \
    if (!(condition)) ::scca::fail(__VA_ARGS__); \
  } while (false)
