#pragma once

namespace scca {

/// One visitor of the lambdas that it is given, for std::visit: Overloaded{[](int) {...}, [](bool) {...}}.
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace scca
