#pragma once
// Which part of the work is going on, for who counts it (core/planning.h): "block 31", and on which way
// through the graph.
#include <cstdint>
#include <string>

namespace scca {

enum class Way : uint8_t { forward, backward, again };  // again: a checkpointed block's second run

/// The innermost region that this thread is in. `name` is a literal; empty outside of all.
struct Where {
  const char* name = "";
  int64_t index = -1;  // of several with this name; -1: there is one
  Way way = Way::forward;

  /// "backward of block 31", "the forward pass"
  std::string to_string() const;
};

const Where& where();

/// Work done while one lives belongs to the region: Region region("block", 31);
class Region {
 public:
  explicit Region(const char* name, int64_t index = -1);
  explicit Region(const Where& place);
  explicit Region(Way way);  // in the region that is there already
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

 private:
  Where before_;
};

}  // namespace scca
