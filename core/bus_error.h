#pragma once
// A page of a mapped file that cannot be read any more, since the file was cut short or its disk failed: the
// system says so by SIGBUS to the thread that touches it, which without a handler ends the process without a
// word.
#include <cstddef>
#include <string>

namespace scca {

/// For a program to call once, at its start (scca's main does; a library leaves signals alone): such a
/// fault ends the process with one line that names the file, and exit code 1. SIGBUS must not be blocked in
/// any thread. A fault anywhere else has its usual effect.
///
/// No alternate stack, on purpose. The thread may stand in a generated matrix product of oneDNN 2, whose
/// stack pointer lies in the heap, so that the system writes the handler's frame over memory of others; but
/// the handler reads only memory of its own, which is not in the heap, calls write and _exit, and never
/// returns: nothing that may have been overwritten is used or saved after it. An alternate stack would have
/// to be made in every thread, OpenMP's too.
void name_files_on_bus_error();

/// While it lives, these bytes are known as this file's. Up to 1024 at a time; those beyond go unnamed.
class NamedMapping {
 public:
  NamedMapping(const std::byte* data, size_t size, const std::string& file);
  ~NamedMapping();
  NamedMapping(const NamedMapping&) = delete;
  NamedMapping& operator=(const NamedMapping&) = delete;

 private:
  int slot_ = -1;
};

}  // namespace scca
