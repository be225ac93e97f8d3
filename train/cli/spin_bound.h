#pragma once
// How long threads spin that wait for each other.
#include <chrono>
#include <cstdint>

namespace scca {

/// Turns that a waiting thread of libgomp spins in this time, on this CPU.
int64_t turns_in(std::chrono::nanoseconds time);

/// Lets waiting threads sleep after 40 us, where OpenMP of GCC (libgomp: oneDNN's threads too) spins for
/// milliseconds: beside another program's thread a spinning one takes the CPU that the thread it waits for
/// could have. With 2 us a quiet training step was 5 % slower, with 24 and more at most 2 %.
///
/// libgomp reads GOMP_SPINCOUNT when it is loaded, before main: true is that the environment has it now, for
/// the program to start again (start_again). Nothing happens where the user has set it or OMP_WAIT_POLICY.
///
/// Source: https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
bool bound_spinning();

}  // namespace scca
