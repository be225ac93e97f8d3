#include "train/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"
#include "core/file.h"
#include "train/run/metrics.h"

namespace scca {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCheckpointPrefix = "step-";
constexpr const char* kCheckpointSuffix = ".safetensors";

/// The step in "step-00000120.safetensors"; -1 for another name.
int64_t step_of(const std::string& name) {
  const size_t prefix = std::strlen(kCheckpointPrefix), suffix = std::strlen(kCheckpointSuffix);
  if (!name.starts_with(kCheckpointPrefix) || !name.ends_with(kCheckpointSuffix)) return -1;
  const std::string digits = name.substr(prefix, name.size() - prefix - suffix);
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoll(digits);
}

}  // namespace

void RunFolder::check(const fs::path& path, bool resume) {
  if (!fs::exists(path)) return;
  if (!fs::is_directory(path)) fail<UsageError>("--out ", path.string(), ": is a file, expected a folder");
  if (!resume && !fs::is_empty(path))
    fail<UsageError>("--out ", path.string(),
                     ": is there already; go on with it with --resume, or choose a new folder");
}

RunFolder::RunFolder(fs::path path, bool resume) : path_(std::move(path)) {
  check(path_, resume);
  std::error_code error;
  fs::create_directories(path_ / "checkpoints", error);
  if (error) fail("--out ", name(), ": cannot be made: ", error.message());
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) fail("--out ", name(), ": cannot be opened: ", std::strerror(errno));
  // The lock ends with the process, however it ends. File systems without locks are taken at their word.
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(lock_);
    fail("--out ", name(), ": another process is training in this folder");
  }
  for (const fs::path& folder : {path_, path_ / "checkpoints"}) remove_leftovers(folder);
}

RunFolder::~RunFolder() { ::close(lock_); }

void RunFolder::write_config(const nlohmann::json& settings) const {
  write_file(path_ / "config.json", settings.dump(2) + "\n");
}

std::map<int64_t, fs::path> RunFolder::checkpoints() const {
  std::map<int64_t, fs::path> found;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints")) {
    const int64_t step = step_of(entry.path().filename());
    if (step >= 0) found[step] = entry.path();
  }
  return found;
}

std::vector<int64_t> RunFolder::checkpoint_steps() const {
  std::vector<int64_t> steps;
  for (const auto& [step, file] : checkpoints()) steps.push_back(step);
  return steps;
}

fs::path RunFolder::checkpoint_path(int64_t step) const {
  std::string digits = std::to_string(step);
  digits.insert(0, digits.size() < 8 ? 8 - digits.size() : 0, '0');  // so that ls sorts them
  return path_ / "checkpoints" / (kCheckpointPrefix + digits + kCheckpointSuffix);
}

void RunFolder::prune_checkpoints(std::optional<int64_t> keep) const {
  const std::map<int64_t, fs::path> all = checkpoints();
  int64_t left = static_cast<int64_t>(all.size());
  for (const auto& [step, file] : all)
    if (left-- > 2 && step != keep) fs::remove(file);
}

void RunFolder::set_aside(const fs::path& checkpoint) const {
  std::error_code ignored;  // it is passed over all the same
  fs::rename(checkpoint, fs::path(checkpoint) += ".damaged", ignored);
}

void RunFolder::show_metrics(const std::string& attention, const std::string& own) const {
  const std::vector<StepMetrics> lines = read_metrics(path_ / "metrics.jsonl");
  write_file(path_ / "metrics.csv", metrics_csv(lines));
  if (lines.empty()) return;
  write_chart((path_ / "loss.png").string(), loss_chart(lines, path_.filename().string(), attention, own));
}

}  // namespace scca
