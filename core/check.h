#pragma once
// Errors: one clear line that says what was wrong, what was found, what was expected and what to do.
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace scca {

/// A setting in a message, by the name that its field has. The command line, which alone knows of flags,
/// shows the one that sets it (train/report/messages.h).
struct Setting {
  explicit Setting(const char* name) : name(name) {}
  const char* name;
};
inline std::ostream& operator<<(std::ostream& out, Setting setting) { return out << setting.name; }

/// A text and the settings that it names.
struct Message {
  Message(std::string text = "") : text(std::move(text)) {}
  Message(const char* text) : text(text) {}
  Message(Setting setting) : text(setting.name), settings{{0, setting}} {}

  std::string text;
  std::vector<std::pair<size_t, Setting>> settings = {};  // with where in the text each begins, in order
};
inline std::ostream& operator<<(std::ostream& out, const Message& message) { return out << message.text; }

/// Something could not be done (a bad file, a shape that does not fit). The command line exits with 1.
struct Error : std::runtime_error {
  explicit Error(const Message& message) : std::runtime_error(message.text), message(message) {}
  Message message;  // what(), with the settings that it names
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

/// The same as a Message, with the settings that are among the parts or in those that are messages.
template <class... Parts>
Message message_of(const Parts&... parts) {
  std::ostringstream out;
  Message whole;
  const auto add = [&]<class Part>(const Part& part) {
    if constexpr (std::is_same_v<Part, Setting> || std::is_same_v<Part, Message>)
      for (const auto& [place, setting] : Message(part).settings)
        whole.settings.emplace_back(static_cast<size_t>(out.tellp()) + place, setting);
    out << part;
  };
  (add(parts), ...);
  whole.text = out.str();
  return whole;
}

template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw E(message_of(parts...));
}

}  // namespace scca

/// Throws scca::Error with the remaining arguments as its message; they are only evaluated on failure.
#define SCCA_CHECK(condition, ...)               \
  do {                                           \
    if (!(condition)) ::scca::fail(__VA_ARGS__); \
  } while (false)
