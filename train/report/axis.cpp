#include "train/report/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "core/check.h"

namespace scca {
namespace {

// Beyond these, differences and ratios overflow; no loss or token count gets there.
constexpr double kLargest = 1e100, kSmallestLog = 1e-100;

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

/// "%g" without the exponent's plus sign and leading zeros: 1e-05 -> 1e-5.
std::string general(double value, int figures) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*g", figures, value);
  std::string out = text;
  if (size_t e = out.find('e'); e != std::string::npos)
    out = out.substr(0, e + 1) + std::to_string(std::atoi(out.c_str() + e + 1));
  return out;
}

/// 10^exponent, exact where a double can be.
double power_of_ten(int exponent) {
  return exponent >= 0 ? std::pow(10.0, exponent) : 1.0 / std::pow(10.0, -exponent);
}

std::vector<double> decade_ticks(double low, double high, const std::vector<double>& mantissas, int every) {
  std::vector<double> out;
  int first = static_cast<int>(std::floor(std::log10(low))),
      last = static_cast<int>(std::ceil(std::log10(high)));
  for (int e = first; e <= last; ++e) {
    if (((e % every) + every) % every != 0) continue;
    for (double m : mantissas) {
      double tick = m * power_of_ten(e);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) out.push_back(tick);
    }
  }
  return out;
}

std::vector<double> power_of_two_ticks(double low, double high, int most) {
  std::vector<double> out;
  int first = static_cast<int>(std::ceil(std::log2(low) - 1e-9));
  int last = static_cast<int>(std::floor(std::log2(high) + 1e-9));
  int every = std::max(1, (last - first + most) / std::max(1, most));
  for (int e = first; e <= last; e += every) out.push_back(std::ldexp(1.0, e));
  return out;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int most) {
  SCCA_CHECK(low < high && most >= 2, "nice_ticks: range is [", low, ", ", high, "] with at most ", most,
             " ticks, expected low < high and at least 2");
  int exponent = static_cast<int>(std::floor(std::log10((high - low) / most))) - 1;
  for (;; ++exponent) {
    for (double m : {1.0, 2.0, 5.0}) {
      double step = m * power_of_ten(exponent);
      double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
      if (last - first + 1 > most) continue;
      std::vector<double> out;
      // Multiples, not sums: sums drift, and a tick at 1e-17 is not labelled 0.
      for (double i = first; i <= last; ++i)
        out.push_back(exponent < 0 ? i * m / power_of_ten(-exponent) + 0.0 : i * step + 0.0);
      return out;
    }
  }
}

std::vector<double> log_ticks(double low, double high, int most) {
  SCCA_CHECK(low > 0 && low < high && most >= 2, "log_ticks: range is [", low, ", ", high, "] with at most ",
             most, " ticks, expected 0 < low < high and at least 2");
  if (auto ticks = decade_ticks(low, high, {1, 2, 5}, 1); static_cast<int>(ticks.size()) <= most)
    return ticks.size() >= 3 ? ticks : nice_ticks(low, high, most);
  if (high / low < 20) return nice_ticks(low, high, most);
  for (int every = 1;; ++every) {
    auto ticks = decade_ticks(low, high, {1}, every);
    if (static_cast<int>(ticks.size()) <= most) return ticks;
  }
}

std::string short_label(double value) {
  double size = std::fabs(value);
  if (size == 0) return "0";
  if (size < 1e-3 || size >= 1e12) return general(value, 3);
  if (size >= 1e9 && std::fmod(size, 1e7) == 0) return general(value / 1e9, 6) + "G";
  if (size >= 1e6 && std::fmod(size, 1e4) == 0) return general(value / 1e6, 6) + "M";
  if (size >= 1e4 && std::fmod(size, 100) == 0) return general(value / 1e3, 6) + "k";
  return general(value, 6);
}

std::vector<std::string> tick_labels(const std::vector<double>& ticks) {
  std::vector<std::string> out;
  double size = 0, step = 0;
  bool even = ticks.size() >= 2;
  if (even) step = ticks[1] - ticks[0];
  for (size_t i = 0; i < ticks.size(); ++i) {
    size = std::max(size, std::fabs(ticks[i]));
    if (i > 0) even = even && std::fabs(ticks[i] - ticks[i - 1] - step) <= 1e-6 * step;
  }
  // Decimals that show a step of 1, 2 or 5 times a power of ten.
  auto decimals = [&](double unit) {
    return std::max(0, static_cast<int>(-std::floor(std::log10(step / unit) + 1e-9)));
  };
  bool plain = even && size >= 1e-3 && size < 1e12 && decimals(1) <= 9;
  double unit = size >= 1e9 ? 1e9 : size >= 1e6 ? 1e6 : size >= 1e4 ? 1e3 : 1;
  if (plain && unit > 1 && decimals(unit) > 1) unit = 1;  // 12345, not 12.345k
  const char* suffix = unit == 1e9 ? "G" : unit == 1e6 ? "M" : unit == 1e3 ? "k" : "";
  for (double tick : ticks) {
    if (!plain) {
      out.push_back(short_label(tick));
    } else if (tick == 0) {
      out.push_back("0");
    } else {
      out.push_back(fixed(tick / unit, decimals(unit)) + suffix);
    }
  }
  return out;
}

bool Axis::has_place(double value, bool log) {
  return std::isfinite(value) && std::fabs(value) < kLargest && (!log || value > kSmallestLog);
}

double Axis::share(double value) const {
  if (log) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

Axis make_axis(const std::vector<double>& values, bool log, double padding) {
  Axis axis;
  axis.log = log;
  axis.kind = kind_of(values);
  bool any = false;
  for (double v : values) {
    if (!Axis::has_place(v, log)) continue;
    axis.low = any ? std::min(axis.low, v) : v;
    axis.high = any ? std::max(axis.high, v) : v;
    any = true;
  }
  SCCA_CHECK(any, "make_axis: none of ", values.size(), " values is finite", log ? " and positive" : "");
  double middle = std::max(std::fabs(axis.low), std::fabs(axis.high));
  if (axis.high - axis.low <= 1e-9 * middle || axis.low == axis.high) {
    // One value: room around it, so that a constant line runs through the middle.
    double room = middle > 0 ? 0.1 * middle : 1;
    if (axis.kind != Values::any && !log) room = std::max(room, 1.0);
    axis.low -= room;
    axis.high += room;
    return axis;
  }
  if (log) {
    double factor = std::pow(axis.high / axis.low, padding);
    axis.low /= factor;
    axis.high *= factor;
  } else {
    double room = (axis.high - axis.low) * padding;
    axis.low -= room;
    axis.high += room;
  }
  return axis;
}

void set_ticks(Axis& axis, int most) {
  if (axis.log) {
    axis.ticks.clear();
    if (axis.kind == Values::powers_of_two) axis.ticks = power_of_two_ticks(axis.low, axis.high, most);
    if (axis.ticks.empty()) axis.ticks = log_ticks(axis.low, axis.high, most);
  } else {
    axis.ticks = nice_ticks(axis.low, axis.high, most);
    if (axis.kind != Values::any)
      std::erase_if(axis.ticks, [](double tick) { return tick != std::floor(tick); });
  }
  axis.labels = tick_labels(axis.ticks);
}

Values kind_of(const std::vector<double>& values) {
  int exponent = 0;
  bool whole = true, powers = true;
  for (double v : values) {
    whole = whole && std::isfinite(v) && v == std::floor(v);
    powers = powers && std::isfinite(v) && v > 0 && std::frexp(v, &exponent) == 0.5;
  }
  return values.empty() ? Values::any : powers ? Values::powers_of_two : whole ? Values::whole : Values::any;
}

}  // namespace scca
