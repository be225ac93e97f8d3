#pragma once
// The numbers along the side of a picture: where the ticks go and what they say.
#include <string>
#include <vector>

namespace scca {

/// All multiples of a step of 1, 2 or 5 times a power of ten within [low, high]: the smallest such step that
/// gives at most `most` of them (`most` >= 2, low < high).
std::vector<double> nice_ticks(double low, double high, int most);

/// For a logarithmic axis, 0 < low < high: 1-2-5 in each decade where that is at most `most` ticks, else
/// powers of ten, else every second, third, ... power; where the axis is so short that these are fewer than
/// three, nice_ticks.
std::vector<double> log_ticks(double low, double high, int most);

/// One label per tick. Evenly spaced ticks share their unit (k, M) and their number of decimals.
std::vector<std::string> tick_labels(const std::vector<double>& ticks);
/// A single number, short: 0.05, 512, 32768, 250k, 1e-5.
std::string short_label(double value);

/// What an axis is made for decides where ticks make sense: there is no step 2.5, and lengths double.
enum class Values { any, whole, powers_of_two };
Values kind_of(const std::vector<double>& values);

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  Values kind = Values::any;
  std::vector<double> ticks;
  std::vector<std::string> labels;

  /// Whether a value has a place on such an axis: finite, and positive on a logarithmic one.
  static bool has_place(double value, bool log);
  /// 0 at low, 1 at high.
  double share(double value) const;
};

/// The axis over the values that have a place, with `padding` (a share of its length) on both sides; a single
/// value is given room around it. Throws Error when no value has a place.
Axis make_axis(const std::vector<double>& values, bool log, double padding);
/// Sets at most `most` (>= 2) ticks and their labels.
void set_ticks(Axis& axis, int most);

}  // namespace scca
