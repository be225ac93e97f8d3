#pragma once
// The standard descriptors as a parent may leave them: closed, on a full disk, with a reader that is gone.

namespace scca {

/// Opens /dev/null on those of the descriptors 0 to 2 that are closed, so that no file of ours becomes one of
/// them and gets the progress written into it. The wrong way round (0 for writing, 1 and 2 for reading): who
/// needs what was closed is still told. Call it in main, before anything is opened.
void open_standard_streams();

/// Flushes stdout. Throws Error when something printed since the program's start could not be written.
void check_stdout();

/// To be asked once stdin gives nothing more. Throws Error where that is not because it ended.
void check_stdin();

}  // namespace scca
