#pragma once
// What is being made on disk and means nothing before it is finished: gone again also when a signal ends the
// process, which runs no destructors.
#include <filesystem>

namespace scca {

/// A file or folder in the making: from when its name is this process's own ...
void begin_unfinished(const std::filesystem::path& path);
/// ... until it is renamed or removed.
void end_unfinished(const std::filesystem::path& path);

/// Removes all that has begun and not ended, for who ends the process next: a thread that begins another one
/// after this waits for ever. Not for a signal handler.
void remove_unfinished() noexcept;

}  // namespace scca
