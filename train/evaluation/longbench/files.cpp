#include "train/evaluation/longbench/files.h"

#include <algorithm>

#include "core/check.h"
#include "train/data/data_folder.h"
#include "train/data/json_record.h"
#include "train/data/text_source.h"
#include "train/evaluation/longbench/metrics.h"

namespace scca::longbench {
namespace {

namespace fs = std::filesystem;

std::string text_of(const Json& line, const char* key, const std::string& where) {
  SCCA_CHECK(line.contains(key), where, ": has no \"", key, "\" field");
  SCCA_CHECK(line[key].is_string(), where, ": \"", key, "\" is ", short_text(line[key]),
             ", expected a string");
  return line[key].get<std::string>();
}

std::vector<std::string> texts_of(const Json& line, const char* key, const std::string& where) {
  SCCA_CHECK(line.contains(key), where, ": has no \"", key, "\" field");
  const Json& list = line[key];
  const bool texts =
      list.is_array() && std::ranges::all_of(list, [](const Json& x) { return x.is_string(); });
  SCCA_CHECK(texts && !list.empty(), where, ": \"", key, "\" is ", short_text(list),
             ", expected a list of one or more strings");
  return list.get<std::vector<std::string>>();
}

Sample sample_of(const JsonRecord& record, const Task& task, TextForm& form) {
  const std::string& where = record.where();
  const Json line = record.fields({"input", "context", "answers", "all_classes", "length"});
  Sample sample;
  sample.input = text_of(line, "input", where);
  sample.context = text_of(line, "context", where);
  form.apply(sample.input);
  form.apply(sample.context);
  sample.answers = texts_of(line, "answers", where);
  if (task.metric == Metric::classification) sample.classes = texts_of(line, "all_classes", where);
  if (const auto length = JsonFields(line, where).integer("length")) {
    SCCA_CHECK(*length >= 0, where, ": \"length\" is ", *length, ", expected 0 or more");
    sample.length = *length;
  }
  try {
    score(task, sample, "");  // an answer without what the metric looks for is found here, not after hours
  } catch (const Error& error) {
    fail(where, ": ", error.what());
  }
  return sample;
}

/// A folder's files, or the file itself.
std::vector<fs::path> files_of(const std::string& path) {
  SCCA_CHECK(fs::exists(path), path, ": there is no such file or folder");
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_regular_file() && has_ending(entry.path(), ".jsonl")) files.push_back(entry.path());
  SCCA_CHECK(!files.empty(), path, ": this folder holds no TASK.jsonl, e.g. qasper.jsonl");
  std::sort(files.begin(), files.end());
  return files;
}

/// A folder may hold other files, which are left out; a file that was named may not.
void add_file(const fs::path& path, bool in_folder, const std::function<void(const std::string&)>& note,
              std::vector<TaskFile>& files) {
  const std::string name = path.stem().string();
  for (const TaskFile& other : files)
    if (other.name == name)
      fail<UsageError>(Setting("data"), ": ", name, " is there twice, as ", other.path.string(), " and ",
                       path.string());
  try {
    files.push_back({name, &task_of(name), path});
  } catch (const UsageError& error) {
    if (!in_folder) fail<UsageError>(path.string(), ": ", error.what());
    const std::string reason = error.what();  // without the list of tasks
    note(path.string() + " is left out: " + reason.substr(0, reason.find(';')));
  }
}

}  // namespace

std::vector<TaskFile> task_files(const std::vector<std::string>& paths,
                                 const std::vector<std::string>& wanted,
                                 const std::function<void(const std::string&)>& note) {
  for (const std::string& name : wanted) {
    try {
      task_of(name);
    } catch (const UsageError& error) {
      fail<UsageError>(Setting("tasks"), ": ", error.what());
    }
  }
  const auto is_wanted = [&](const std::string& name) {
    return wanted.empty() || std::ranges::find(wanted, name) != wanted.end();
  };
  std::vector<TaskFile> files;
  for (const std::string& path : paths) {
    const bool folder = fs::is_directory(path);
    for (const fs::path& file : files_of(path))
      if (is_wanted(file.stem().string())) add_file(file, folder, note, files);
  }
  for (const std::string& name : wanted)
    if (std::ranges::none_of(files, [&](const TaskFile& file) { return file.name == name; }))
      fail<UsageError>(Setting("tasks"), ": there is no ", name, ".jsonl in ",
                       paths.empty() ? "data" : paths[0]);
  SCCA_CHECK(!files.empty(), Setting("data"),
             ": there is no file of a LongBench task; expected TASK.jsonl with one of ", task_names());
  return files;
}

std::vector<Sample> read_samples(const TaskFile& file, int64_t most, TextForm& form) {
  TextSource source(file.path);
  std::vector<Sample> samples;
  for (std::string_view line; (most == 0 || std::ssize(samples) < most) && source.next_line(line);) {
    if (line.find_first_not_of(" \t") == line.npos) continue;
    const JsonRecord record(line, concat(source.name(), ":", source.line_number()));
    samples.push_back(sample_of(record, *file.task, form));
  }
  SCCA_CHECK(!samples.empty(), file.path.string(), ": there is no sample in this file");
  return samples;
}

}  // namespace scca::longbench
