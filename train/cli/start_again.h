#pragma once

namespace scca {

/// What decides before main begins: which instructions the program is made of (cpu_build), and how long
/// OpenMP's threads spin (spin_bound). So the program starts once more, as it should be, in its place: the
/// same process, arguments, descriptors and signals, 3 ms later. Nothing happens where it is so already, nor
/// where that cannot be done. To be called first in main, before anything is read or opened.
void start_again(char** argv);

}  // namespace scca
