#pragma once
// What is being made on disk and means nothing before it is finished: gone again also when a signal ends the
// process, which runs no destructors.
#include <filesystem>
#include <functional>

namespace scca {

/// Runs `make`, which makes a file or folder of this process's own and says whether it did: from then on it
/// is in the making ...
bool begin_unfinished(const std::filesystem::path& path, const std::function<bool()>& make);
/// ... until `end`, which renames or removes it, says that it did.
bool end_unfinished(const std::filesystem::path& path, const std::function<bool()>& end);

/// Removes all that has begun and not ended, for who ends the process next: a thread that begins or ends
/// another one after this waits for ever, before it makes or renames anything, so that nothing comes into a
/// folder while it is removed. Not for a signal handler.
void remove_unfinished() noexcept;

}  // namespace scca
