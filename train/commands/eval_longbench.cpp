// scca eval longbench: what a model answers to LongBench's samples, and how that scores.
#include <iostream>
#include <memory>
#include <optional>

#include "core/check.h"
#include "core/file.h"
#include "models/generate.h"
#include "nn/json.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/evaluation/longbench/answers.h"
#include "train/evaluation/longbench/files.h"
#include "train/report/messages.h"
#include "train/report/progress.h"
#include "train/report/table.h"

namespace scca {
namespace {

using namespace longbench;

const std::string kWhere = "before every prompt";

struct Flags {
  ModelFlags model;
  std::vector<std::string> data, tasks;
  std::string out;
  std::optional<std::string> attention;
  int64_t context = 0, max_samples = 0;
  std::string bos = "auto";
  bool keep_line_ends = false, json = false;
};

struct TaskRun {
  TaskFile file;
  std::vector<Sample> samples;
  std::vector<Answer> answers;
  TaskScore score;

  int64_t truncated() const {
    return std::ranges::count_if(answers, [](const Answer& a) { return a.truncated; });
  }
};

/// Everything that can be wrong with the data and the context is found here, before the first answer.
std::vector<TaskRun> read_runs(const Flags& flags, const AnswerOptions& options) {
  if (flags.max_samples < 0)
    fail<UsageError>("--max-samples ", flags.max_samples, ": expected 0 (all) or more");
  TextForm form(flags.keep_line_ends);
  std::vector<TaskRun> runs;
  for (const TaskFile& file : task_files(flags.data, flags.tasks, note)) {
    options.prompt_tokens(*file.task);
    runs.push_back({file, read_samples(file, flags.max_samples, form), {}, {}});
  }
  if (const Message changes = form.changes(); !changes.text.empty()) note(message_of("--data: ", changes));
  return runs;
}

/// A line as the reference's pred.py writes it, so that its eval.py reads it, with the task and the score.
std::string prediction_line(const TaskRun& run, size_t i) {
  const Sample& sample = run.samples[i];
  const Answer& answer = run.answers[i];
  Json line{{"task", run.file.name},  {"pred", answer.text}, {"answers", sample.answers},
            {"all_classes", nullptr}, {"length", nullptr},   {"score", answer.score}};
  if (!sample.classes.empty()) line["all_classes"] = sample.classes;
  if (sample.length >= 0) line["length"] = sample.length;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void answer_all(const Llama& model, const Tokenizer& tokenizer, const AnswerOptions& options,
                std::vector<TaskRun>& runs, FileWriter* out) {
  int64_t total = 0, done = 0;
  for (const TaskRun& run : runs) total += std::ssize(run.samples);
  Progress progress("longbench", total);
  for (TaskRun& run : runs) {
    double sum = 0;
    for (const Sample& sample : run.samples) {
      run.answers.push_back(answer(model, tokenizer, *run.file.task, sample, options));
      if (out) out->write(prediction_line(run, run.answers.size() - 1));
      sum += 100 * run.answers.back().score;
      progress.update(++done, run.file.name + " " + fixed(sum / static_cast<double>(run.answers.size()), 2));
    }
    run.score = summarize(run.samples, run.answers);
  }
  progress.finish();
  if (out) out->commit();
}

double average(const std::vector<TaskRun>& runs) {
  double sum = 0;
  for (const TaskRun& run : runs) sum += run.score.mean;
  return sum / static_cast<double>(runs.size());
}

nlohmann::json to_json(const std::vector<TaskRun>& runs, const Flags& flags) {
  nlohmann::json tasks = nlohmann::json::object();
  for (const TaskRun& run : runs) {
    nlohmann::json by_length = nlohmann::json::object();
    for (const auto& [group, score] : run.score.by_length) by_length[group] = score;
    tasks[run.file.name] = {{"metric", name_of(run.file.task->metric)},
                            {"score", run.score.mean},
                            {"samples", run.samples.size()},
                            {"truncated", run.truncated()},
                            {"by_length", by_length}};
  }
  return {{"context", flags.context}, {"tasks", tasks}, {"average", average(runs)}};
}

void print_readable(const std::vector<TaskRun>& runs) {
  std::vector<std::vector<std::string>> table{{"task", "metric", "samples", "cut", "score"}};
  for (const TaskRun& run : runs) {
    table.push_back({run.file.name, name_of(run.file.task->metric), std::to_string(run.samples.size()),
                     std::to_string(run.truncated()), fixed(run.score.mean, 2)});
  }
  table.push_back({"average", "", "", "", fixed(average(runs), 2)});
  std::cout << format_table(table);
}

int run(const Flags& flags) {
  AnswerOptions options{flags.context, attention_given(flags.attention)};
  std::vector<TaskRun> runs = read_runs(flags, options);
  const ReadyModel ready(flags.model, options.attention, flags.context);
  options.bos = puts_bos(flags.bos, ready.tokenizer());
  std::optional<FileWriter> out;  // a path that can't be written fails now, not after hours
  if (!flags.out.empty()) out.emplace(flags.out);
  for (const TaskRun& task : runs) {
    const int64_t prompt = options.prompt_tokens(*task.file.task);
    check_growth(ready.config(), options.attention, prompt, options.context - prompt);
  }
  ready.announce(flags.context, flags.bos, kWhere);
  answer_all(ready.model(), ready.tokenizer(), options, runs, out ? &*out : nullptr);
  if (flags.json) {
    print_json(to_json(runs, flags));
  } else {
    print_readable(runs);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_model_flags(app, flags->model);
  begin_section(app, section::kData);
  app.add_option("--data", flags->data, "LongBench's files, TASK.jsonl, or a folder of them")
      ->type_name("PATH")
      ->required();
  begin_section(app, section::kEvaluation);
  app.add_option("--context", flags->context,
                 "Tokens of prompt and answer together; a longer prompt loses its middle")
      ->transform(token_count())
      ->required();
  add_list(app, "--tasks", flags->tasks, "TASK",
           "Only these, e.g. qasper,trec (default: all that are there)");
  app.add_option("--max-samples", flags->max_samples, "The first so many of each task; 0: all")
      ->transform(whole_number())
      ->capture_default_str();
  add_bos_flag(app, flags->bos, kWhere);
  add_line_ends_flag(app, flags->keep_line_ends);
  add_attention_flag(app, flags->attention);
  begin_section(app, section::kOutput);
  app.add_option("--out", flags->out, "Keep every answer with its score in this file, JSONL")
      ->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "eval longbench", "Answer LongBench's samples, and score the answers", set_up,
    "scca eval longbench --model LLAMA_FOLDER --adapter runs/mine/adapter --data LONGBENCH_FOLDER "
    "--context 8k");

}  // namespace
}  // namespace scca
