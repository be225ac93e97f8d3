#pragma once
// --threads of every command that computes.

namespace CLI {
class App;
}

namespace scca {

/// --threads, in the section of the machine. It is for the program alone: no run writes it down.
void add_threads_flag(CLI::App& app);

/// What the program does once before a command's work, also for one without the flag: so many threads as it
/// says, else as core/threads.h has them. Throws UsageError for none at all.
void obey_threads_flag(const CLI::App& command);

}  // namespace scca
