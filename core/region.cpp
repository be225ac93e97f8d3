#include "core/region.h"

namespace scca {
namespace {
thread_local Where here;
}

std::string Where::to_string() const {
  const std::string way_name = way == Way::forward    ? "forward"
                               : way == Way::backward ? "backward"
                                                      : "second forward";
  if (*name == '\0') return "the " + way_name + " pass";
  return way_name + " of " + name + (index >= 0 ? " " + std::to_string(index) : "");
}

const Where& where() { return here; }

Region::Region(const char* name, int64_t index) : Region(Where{name, index, here.way}) {}
Region::Region(Way way) : Region(Where{here.name, here.index, way}) {}
Region::Region(const Where& place) : before_(here) { here = place; }
Region::~Region() { here = before_; }

}  // namespace scca
