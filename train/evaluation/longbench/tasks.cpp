// The prompts are LongBench's to the letter, slips included: a model is compared on the same question.
#include "train/evaluation/longbench/tasks.h"

#include <algorithm>

#include "core/check.h"
#include "train/evaluation/longbench/metrics.h"

namespace scca::longbench {
namespace {

constexpr char kPassages[] =
    "Answer the question based on the given passages. Only give me the answer and do not output any "
    "other words.\n\nThe following are given passages.\n{context}\n\nAnswer the question based on "
    "the given passages. Only give me the answer and do not output any other words.\n\nQuestion: "
    "{input}\nAnswer:";

constexpr Task kTasks[] = {
    {"narrativeqa", Metric::qa_f1, 128,
     "You are given a story, which can be either a novel or a movie script, and a question. Answer "
     "the question asconcisely as you can, using a single phrase if possible. Do not provide any "
     "explanation.\n\nStory: {context}\n\nNow, answer the question based on the story asconcisely as "
     "you can, using a single phrase if possible. Do not provide any explanation.\n\nQuestion: "
     "{input}\n\nAnswer:"},
    {"qasper", Metric::qa_f1, 128,
     "You are given a scientific article and a question. Answer the question as concisely as you can, "
     "using a single phrase or sentence if possible. If the question cannot be answered based on the "
     "information in the article, write \"unanswerable\". If the question is a yes/no question, "
     "answer \"yes\", \"no\", or \"unanswerable\". Do not provide any explanation.\n\nArticle: "
     "{context}\n\n Answer the question based on the above article as concisely as you can, using a "
     "single phrase or sentence if possible. If the question cannot be answered based on the "
     "information in the article, write \"unanswerable\". If the question is a yes/no question, "
     "answer \"yes\", \"no\", or \"unanswerable\". Do not provide any explanation.\n\nQuestion: "
     "{input}\n\nAnswer:"},
    {"multifieldqa_en", Metric::qa_f1, 64,
     "Read the following text and answer briefly.\n\n{context}\n\nNow, answer the following question "
     "based on the above text, only give me the answer and do not output any other "
     "words.\n\nQuestion: {input}\nAnswer:"},
    {"hotpotqa", Metric::qa_f1, 32, kPassages},
    {"2wikimqa", Metric::qa_f1, 32, kPassages},
    {"musique", Metric::qa_f1, 32, kPassages},
    {"gov_report", Metric::rouge_l, 512,
     "You are given a report by a government agency. Write a one-page summary of the "
     "report.\n\nReport:\n{context}\n\nNow, write a one-page summary of the report.\n\nSummary:"},
    {"qmsum", Metric::rouge_l, 512,
     "You are given a meeting transcript and a query containing a question or instruction. Answer the "
     "query in one or more sentences.\n\nTranscript:\n{context}\n\nNow, answer the query based on the "
     "above meeting transcript in one or more sentences.\n\nQuery: {input}\nAnswer:"},
    {"multi_news", Metric::rouge_l, 512,
     "You are given several news passages. Write a one-page summary of all news. "
     "\n\nNews:\n{context}\n\nNow, write a one-page summary of all the news.\n\nSummary:"},
    {"trec", Metric::classification, 64,
     "Please determine the type of the question below. Here are some examples of "
     "questions.\n\n{context}\n{input}",
     true},
    {"triviaqa", Metric::qa_f1, 32,
     "Answer the question based on the given passage. Only give me the answer and do not output any "
     "other words. The following are some examples.\n\n{context}\n\n{input}",
     true},
    {"samsum", Metric::rouge_l, 128,
     "Summarize the dialogue into a few short sentences. The following are some "
     "examples.\n\n{context}\n\n{input}",
     true, true},
    {"lsht", Metric::classification, 64, "请判断给定新闻的类别，下面是一些例子。\n\n{context}\n{input}",
     true},
    {"passage_count", Metric::count, 32,
     "There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. Please "
     "carefully read these paragraphs and determine how many unique paragraphs there are after "
     "removing duplicates. In other words, how many non-repeating paragraphs are there in "
     "total?\n\n{context}\n\nPlease enter the final count of unique paragraphs after removing "
     "duplicates. The output format should only contain the number, such as 1, 2, 3, and so "
     "on.\n\nThe final answer is: "},
    {"passage_retrieval_en", Metric::retrieval, 32,
     "Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which paragraph "
     "the abstract is from.\n\n{context}\n\nThe following is an abstract.\n\n{input}\n\nPlease enter "
     "the number of the paragraph that the abstract is from. The answer format must be like "
     "\"Paragraph 1\", \"Paragraph 2\", etc.\n\nThe answer is: ",
     false, false, "Paragraph "},
    {"passage_retrieval_zh", Metric::retrieval, 32,
     "以下是若干段落文字，以及其中一个段落的摘要。请确定给定的摘要出自哪一段。\n\n{context}"
     "\n\n下面是一个摘要\n\n{input}"
     "\n\n请输入摘要所属段落的编号。答案格式必须是\"段落1\"，\"段落2\"等格式\n\n答案是：",
     false, false, "段落"},
    {"lcc", Metric::code_similarity, 64,
     "Please complete the code given below. \n{context}Next line of code:\n"},
    {"repobench-p", Metric::code_similarity, 64,
     "Please complete the code given below. \n{context}{input}Next line of code:\n"},
};

// Scored on words that jieba, a Chinese segmenter with a dictionary of its own, cuts. Other words would give
// other figures under the same name.
constexpr const char* kSegmented[] = {"multifieldqa_zh", "dureader", "vcsum"};

double score_against(const Task& task, const Sample& sample, std::string_view said,
                     const std::string& answer) {
  switch (task.metric) {
    case Metric::qa_f1:
      return qa_f1(said, answer);
    case Metric::rouge_l:
      return rouge_l(said, answer);
    case Metric::classification:
      return classification(said, answer, sample.classes);
    case Metric::retrieval:
      return retrieval(said, answer, task.marker);
    case Metric::count:
      return count(said, answer);
    case Metric::code_similarity:
      return code_similarity(said, answer);
  }
  fail("longbench: a metric without a function");
}

}  // namespace

const char* name_of(Metric metric) {
  constexpr const char* kNames[] = {"qa_f1",     "rouge_l", "classification",
                                    "retrieval", "count",   "code_similarity"};
  return kNames[static_cast<size_t>(metric)];
}

const Task& task_of(const std::string& name) {
  std::string plain = name;
  if (plain.ends_with("_e")) plain.resize(plain.size() - 2);
  for (const Task& task : kTasks)
    if (plain == task.name) return task;
  for (const char* other : kSegmented)
    if (plain == other)
      fail<UsageError>("task '", name,
                       "' is scored on Chinese words, which need a segmenter; expected one of ",
                       task_names());
  fail<UsageError>("there is no LongBench task '", name, "'; expected one of ", task_names());
}

std::string task_names() {
  std::string names;
  for (const Task& task : kTasks) names += (names.empty() ? "" : ", ") + std::string(task.name);
  return names;
}

std::string prompt_of(const Task& task, const Sample& sample) {
  // In one pass: a context that contains "{input}" stays as it is.
  std::string prompt;
  for (std::string_view rest = task.prompt; !rest.empty();) {
    const bool context = rest.starts_with("{context}"), input = rest.starts_with("{input}");
    if (context) prompt += sample.context;
    if (input) prompt += sample.input;
    if (!context && !input) prompt += rest[0];
    rest.remove_prefix(context ? 9 : input ? 7 : 1);
  }
  return prompt;
}

double score(const Task& task, const Sample& sample, std::string_view prediction) {
  if (task.first_line) {
    prediction.remove_prefix(std::min(prediction.find_first_not_of('\n'), prediction.size()));
    prediction = prediction.substr(0, prediction.find('\n'));
  }
  double best = 0;
  for (const std::string& answer : sample.answers)
    best = std::max(best, score_against(task, sample, prediction, answer));
  return best;
}

}  // namespace scca::longbench
