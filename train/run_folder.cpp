#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"
#include "core/file.h"
#include "nn/json.h"
#include "train/plot.h"

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

/// The complete lines of metrics.jsonl. What follows the last one is of a killed run.
std::vector<nlohmann::json> read_metrics(const fs::path& file) {
  std::vector<nlohmann::json> lines;
  if (!fs::exists(file)) return lines;
  const std::string text = read_text_file(file);
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    nlohmann::json line;
    try {
      line = parse_json(std::string_view(text).substr(begin, end - begin), file.string());
    } catch (const Error&) {
      break;
    }
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer()) break;
    lines.push_back(std::move(line));
  }
  return lines;
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

fs::path RunFolder::checkpoint_path(int64_t step) const {
  std::string digits = std::to_string(step);
  digits.insert(0, digits.size() < 8 ? 8 - digits.size() : 0, '0');  // so that ls sorts them
  return path_ / "checkpoints" / (kCheckpointPrefix + digits + kCheckpointSuffix);
}

void RunFolder::prune_checkpoints() const {
  const std::map<int64_t, fs::path> all = checkpoints();
  int64_t left = static_cast<int64_t>(all.size());
  for (const auto& [step, file] : all)
    if (left-- > 2) fs::remove(file);
}

void RunFolder::draw_losses() const {
  Series training{.name = "training"}, evaluation{.name = "evaluation"};
  for (const nlohmann::json& line : read_metrics(path_ / "metrics.jsonl")) {
    const double step = line["step"].get<double>();
    training.x.push_back(step);
    training.y.push_back(line.value("loss", 0.0));
    if (!line.contains("eval_loss")) continue;
    evaluation.x.push_back(step);
    evaluation.y.push_back(line["eval_loss"].get<double>());
  }
  if (training.x.empty()) return;
  training.smooth = static_cast<int>(training.x.size() / 50);
  Chart chart{.title = path_.filename().string(), .x_label = "step", .y_label = "loss (nats per token)"};
  chart.series.push_back(std::move(training));
  if (!evaluation.x.empty()) chart.series.push_back(std::move(evaluation));
  write_chart((path_ / "loss.png").string(), chart);
}

Metrics::Metrics(const fs::path& file, int64_t step) : file_(file) {
  std::string kept;
  for (const nlohmann::json& line : read_metrics(file))
    if (line["step"].get<int64_t>() <= step) kept += line.dump() + "\n";
  write_file(file_, kept);
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) fail(file_.string(), ": cannot be written: ", std::strerror(errno));
}

Metrics::~Metrics() { ::close(descriptor_); }

void Metrics::append(const nlohmann::json& line) {
  const std::string text = line.dump() + "\n";
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  const ssize_t written = ::write(descriptor_, text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) return;
  const int error = written < 0 ? errno : ENOSPC;
  const bool cut = ::ftruncate(descriptor_, end) == 0;
  fail(file_.string(), ": cannot be written: ", std::strerror(error),
       cut ? "" : " (its last line is not whole)");
}

}  // namespace scca
