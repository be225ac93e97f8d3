#pragma once
// What is being made has a name that nobody else has: TARGET.scca-01234567.tmp, beside TARGET, so that a
// rename puts it into place at once. It is made by its maker alone (never opened where something of that name
// is, never through a link) and locked until it is done. Those that killed runs left are known by their name,
// their owner and the missing lock: the next one to make the same target removes them, and nothing else of
// any name.
#include <filesystem>

namespace scca {

class Temporary {
 public:
  enum class Kind { file, folder };

  /// Throws Error (target and the system's reason) when it cannot be made, and when another process is making
  /// the same target. File systems without locks are taken at their word; nothing is removed there.
  Temporary(std::filesystem::path target, Kind kind);
  /// Removes it, unless it became its target.
  ~Temporary();
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const std::filesystem::path& target() const { return target_; }
  const std::filesystem::path& path() const { return path_; }
  /// Of the file, for writing; of the folder, for fsync. -1 when there is none any more.
  int descriptor() const { return descriptor_; }

  /// Forces it to disk, renames it, forces the folder's entry to disk. Throws Error; up to the rename the
  /// target is as it was, and this is removed.
  void become_target();
  void remove();
  /// "TARGET: WHAT: the system's reason", after remove().
  [[noreturn]] void fail(const char* what, int error);

 private:
  bool make();

  std::filesystem::path target_, path_;
  Kind kind_;
  int descriptor_ = -1;
};

/// Removes what killed runs left in this folder, of any target. For who knows that nobody else writes there,
/// or does not mind: what is being written is locked, and stays.
void remove_leftovers(const std::filesystem::path& folder);

}  // namespace scca
