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
/// libgomp reads GOMP_SPINCOUNT when it is loaded, before main. So the program starts itself once more with
/// that set, in its place: the same process, arguments, descriptors and signals, 3 ms later. Nothing happens
/// where the user has set it or OMP_WAIT_POLICY, nor where that cannot be done. To be called first in main,
/// before anything is read or opened.
///
/// Source: https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
void bound_spinning(char** argv);

}  // namespace scca
