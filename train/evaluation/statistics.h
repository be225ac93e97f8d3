#pragma once
// What a difference may be said to be: Student's t, and Holm's correction for several comparisons.
#include <vector>

namespace scca {

/// P(|T| >= |t|) of Student's t with so many degrees of freedom, which need not be whole. 1 for t = 0, 0 for
/// an infinite t. Throws Error for degrees that are not above 0, and for a t that is not a number.
double two_sided_p(double t, double degrees);

/// Each p as it is when all of them are asked at once, in their order (Holm, "A simple sequentially rejective
/// multiple test procedure", Scand. J. Statist. 6, 1979): what is below 0.05 here is wrong in 1 of 20 such
/// lists, however they depend on one another.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace scca
