// The variants without checks of each access.
#include "internal.h"

namespace cuemu::check {

const bool on = false;
bool paused = false;
void reserve(const Arena&) {}
void allocated(const void*, size_t) {}
void released(const void*, size_t) {}
void written_by_host(const void*, size_t) {}
void copied(const void*, const void*, size_t) {}
void launch_begins(const Launch&) {}
void block_begins() {}
void block_synchronised() {}
void block_ends() {}
void warp_met(int) {}
void allow_bank_conflicts(int) {}
void access(const void*, size_t, Access, const void*) {}
void by_library(const char*, const void*, size_t, Access) {}
void copy_issued(const void*, size_t, const void*) {}
void copy_arrives(const void*, size_t) {}

}  // namespace cuemu::check
