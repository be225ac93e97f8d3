#pragma once
// How long threads spin that wait for each other.

namespace scca {

/// Lets them sleep after some 50 us, where OpenMP of GCC (libgomp: oneDNN's threads too) spins for
/// milliseconds: beside another program's thread a spinning one takes the CPU that the thread it waits for
/// could have. libgomp reads GOMP_SPINCOUNT when it is loaded, before main. So the program starts itself once
/// more, in its place, with that set: the same process, arguments, descriptors and signals. Nothing happens
/// where the user has set it or OMP_WAIT_POLICY, nor where that cannot be done. To be called first in main,
/// before anything is read or opened. Source: https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
void bound_spinning(char** argv);

}  // namespace scca
