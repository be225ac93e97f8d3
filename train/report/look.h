#pragma once
// How a line looks. A pattern has one colour and one dash in every picture: both follow from its name alone.
#include <map>
#include <string>
#include <vector>

#include "train/report/canvas.h"

namespace scca {

struct Look {
  Color color;
  double dash = 0;  // as Canvas::polyline takes it
  bool operator==(const Look&) const = default;
};

/// For lines that stand for no pattern: the index-th of a chart. Colours first, then dashes, so that the
/// eighth line still differs from the first.
Look nth_look(size_t index);

/// Of a row of a study, or of a pattern's spec: "local(chunk=512)" looks as "local" does, while a spec that
/// differs between layers is a name of its own. The rows that the project's own pages draw all look
/// different. Any other name, such as that of a pattern registered elsewhere, takes one of the looks that
/// they leave, by its hash: the same in every chart of every run.
Look look_of(const std::string& name);

/// look_of each name, for one set of pictures. Where two are alike ("local(chunk=512)" and
/// "local(chunk=1024)", or two hashes that meet), the later one takes a look that is free, of the same colour
/// where there is one.
std::map<std::string, Look> looks_of(const std::vector<std::string>& names);

/// A short piece of the line from x to x + sample_width, as a legend shows it: long enough for every dash to
/// be told from the others. `marker` puts the dot on it that marks a point.
constexpr double kSampleWidth = 56;
void draw_sample(Canvas& canvas, Point left, const Look& look, bool marker);

}  // namespace scca
