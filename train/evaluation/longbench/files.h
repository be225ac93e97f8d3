#pragma once
// LongBench's files as they lie on disk: TASK.jsonl, a sample a line.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "models/tokenizer/text_form.h"
#include "train/evaluation/longbench/tasks.h"

namespace scca::longbench {

struct TaskFile {
  std::string name;  // the file's, without .jsonl: "qasper", "qasper_e"
  const Task* task;
  std::filesystem::path path;
};

/// The tasks' files behind `paths`, in order: a folder stands for its *.jsonl files, sorted, of which `note`
/// hears what is left out; a file must be a task's. With `wanted`, only these names. Throws Error naming a
/// path that is not there or holds no task, UsageError naming a file that is no task's, a wanted name without
/// a file, and a name that is there twice.
std::vector<TaskFile> task_files(const std::vector<std::string>& paths,
                                 const std::vector<std::string>& wanted,
                                 const std::function<void(const std::string&)>& note);

/// The first `most` samples (0: all). A line has `input`, `context`, `answers` (a list that is not empty),
/// and, where the task's metric or figures need them, `all_classes` and `length`; its other fields may hold
/// anything (train/data/json_record.h). What becomes a prompt is brought into `form`; answers stay as they
/// are. Throws Error naming the file and line of what is not JSON, a field that is missing or of another
/// kind, and an answer that the task's metric can't be held against; and when there is no sample.
std::vector<Sample> read_samples(const TaskFile& file, int64_t most, TextForm& form);

}  // namespace scca::longbench
