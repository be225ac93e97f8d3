// LongBench: metrics against the reference's own figures, what is asked and cut, files, and the command.
#include <doctest/doctest.h>

#include <cmath>

#include "core/file.h"
#include "models/generate.h"
#include "tests/run_scca.h"
#include "train/evaluation/longbench/answers.h"
#include "train/evaluation/longbench/files.h"
#include "train/evaluation/longbench/metrics.h"

using namespace scca;
using namespace scca::longbench;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

doctest::Approx about(double value) { return doctest::Approx(value).epsilon(1e-14); }

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

Sample sample_of(std::string input, std::string context, std::vector<std::string> answers) {
  Sample sample;
  sample.input = std::move(input);
  sample.context = std::move(context);
  sample.answers = std::move(answers);
  return sample;
}

json line_of(const std::string& input, const std::string& context, const json& answers, int64_t length) {
  return {{"input", input},   {"context", context}, {"answers", answers}, {"length", length},
          {"dataset", "any"}, {"language", "en"},   {"all_classes", {}}};
}

}  // namespace

// The figures below are what LongBench's metrics.py returns, with rouge 1.0.1, fuzzywuzzy 0.18.0 and no
// python-Levenshtein, as its requirements have it.
TEST_CASE("longbench: qa_f1") {
  CHECK(qa_f1("The cat sat on the mat.", "A cat on a mat!") == about(0.8571428571428571));
  CHECK(qa_f1("an answer", "the") == 0);
  CHECK(qa_f1("", "x") == 0);
  CHECK(qa_f1("yes yes yes", "yes") == about(0.5));
  CHECK(qa_f1("CAFÉ — A\u00a0ÜBER bar", "café über") == about(0.6666666666666666));
  CHECK(qa_f1("state-of-the-art", "stateoftheart model") == about(0.6666666666666666));
}

TEST_CASE("longbench: rouge_l") {
  CHECK(rouge_l("the cat sat on the mat", "the cat lay on the mat") == about(0.7999999950000002));
  CHECK(rouge_l("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5") == about(0.6153846106508877));
  CHECK(rouge_l("a b. ", "a b") == about(0.7999999952000001));
  CHECK(rouge_l("...", "a b") == 0);
  CHECK(rouge_l("", "a") == 0);
  CHECK(rouge_l("x y", "y x") == about(0.4999999950000001));
  CHECK(rouge_l("a b c", "c d a") == about(0.3333333283333334));
  CHECK(rouge_l("Cats run. Dogs  sleep all day. Birds sing", "Dogs sleep. Birds fly all day. Cats run") ==
        about(0.874999995));
}

TEST_CASE("longbench: classification, retrieval and count") {
  CHECK(classification("Food", "Food", {"Food", "Food group", "group"}) == 1);
  CHECK(classification("Food group", "Food group", {"Food", "Food group", "group"}) == 1);
  CHECK(classification("Food group", "Food group", {"Food", "group", "Food group"}) == about(0.5));
  CHECK(classification("Date or Food", "Date", {"Food", "Date"}) == about(0.5));
  CHECK(classification("none", "Date", {"Food", "Date"}) == 0);
  CHECK(retrieval("Paragraph 7 or 07, or 7.", "Paragraph 7", "Paragraph ") == about(0.6666666666666666));
  CHECK(retrieval("seven", "Paragraph 7", "Paragraph ") == 0);
  CHECK(retrieval("段落12", "段落12", "段落") == 1);
  CHECK(error_of([] { retrieval("7", "Section 7", "Paragraph "); }) ==
        "the answer \"Section 7\" has no number after \"Paragraph \"");
  CHECK(count("12, no: 5 5", "5") == about(0.6666666666666666));
  CHECK(count("", "5") == 0);
}

TEST_CASE("longbench: code_similarity") {
  CHECK(code_similarity("\n\n# comment\nreturn x + 1\nmore", "return x + 2") == about(0.92));
  CHECK(code_similarity("```", "return") == 0);
  CHECK(code_similarity("// a\n", "") == 1);
  CHECK(code_similarity("x = foo(bar)", "x = bar(foo)") == about(0.67));
  CHECK(code_similarity("abcdefgh", "a--------") == about(0.12));
  CHECK(code_similarity("ababab", "bababa") == about(0.83));
  CHECK(code_similarity("éa", "é") == about(0.67));
  CHECK(code_similarity("aaaaxxxx", "aaaayyyyz") == about(0.47));
  CHECK(code_similarity("axxxxxxx", "ayyyyyyy") == about(0.12));  // 12.5: a half goes to even
  // In 200 characters or more what is frequent begins no block.
  CHECK(code_similarity(repeated("ab", 99), repeated("ba", 99)) == about(0.99));
  CHECK(code_similarity(repeated("ab", 120), repeated("ba", 120)) == 0);
}

TEST_CASE("longbench: a task's prompt, and the best score over the answers") {
  const Sample sample = sample_of("{context}?", "the {input} text", {"red", "blue ball"});
  CHECK(prompt_of(task_of("trec"), sample) ==
        "Please determine the type of the question below. Here are some examples of questions.\n\n"
        "the {input} text\n{context}?");
  CHECK(prompt_of(task_of("lcc_e"), sample) ==
        "Please complete the code given below. \nthe {input} textNext line of code:\n");
  CHECK(score(task_of("qasper"), sample, "blue ball\nred") == about(0.8));
  CHECK(score(task_of("triviaqa"), sample, "\n\nblue ball\nred") == 1);  // its first line
  CHECK(score(task_of("hotpotqa"), sample, "green") == 0);
  const std::string names = task_names();
  CHECK(std::ranges::count(names, ',') == 17);
  CHECK(error_of([] { task_of("dureader"); }) ==
        "task 'dureader' is scored on Chinese words, which need a segmenter; expected one of " + names);
  CHECK(error_of([] { task_of("squad"); }) == "there is no LongBench task 'squad'; expected one of " + names);
}

TEST_CASE("longbench: the middle is cut out of what is too long") {
  const std::vector<int32_t> ids{1, 2, 3, 4, 5, 6, 7};
  CHECK(truncate_middle(ids, 8) == ids);
  CHECK(truncate_middle(ids, 7) == ids);
  CHECK(truncate_middle(ids, 6) == std::vector<int32_t>{1, 2, 3, 5, 6, 7});
  CHECK(truncate_middle(ids, 5) == std::vector<int32_t>{1, 2, 6, 7});
  CHECK(truncate_middle(ids, 2) == std::vector<int32_t>{1, 7});
  const AnswerOptions options{.context = 33};
  CHECK(error_of([&] { options.prompt_tokens(task_of("2wikimqa")); }) ==
        "context 33: 2wikimqa answers with up to 32 tokens; expected 34 or more, or other tasks");
}

TEST_CASE(
    "longbench: an answer is the greedy continuation of the cut prompt, samsum's up to the line's end") {
  const Llama model = Llama::load(kModel);
  const Tokenizer tokenizer(kModel);
  const AnswerOptions options{.context = 201, .bos = true};
  const Sample sample =
      sample_of("Who is Lily?", repeated("Lily had a red ball. ", 40), {"a girl named Lily"});
  for (const char* name : {"hotpotqa", "samsum"}) {
    CAPTURE(name);
    const Task& task = task_of(name);
    const std::vector<int32_t> all = tokenizer.encode(prompt_of(task, sample), true);
    const auto half = static_cast<ptrdiff_t>((201 - task.max_new_tokens) / 2);
    REQUIRE(std::ssize(all) > 201);
    std::vector<int32_t> prompt(all.begin(), all.begin() + half);
    prompt.insert(prompt.end(), all.end() - half, all.end());
    const std::string whole =
        tokenizer.decode(generate(model, prompt, {.max_tokens = task.max_new_tokens, .temperature = 0}));
    const Answer got = answer(model, tokenizer, task, sample, options);
    CHECK(got.truncated);
    CHECK(got.score == score(task, sample, got.text));
    CHECK(got.text == (task.stop_at_newline ? whole.substr(0, whole.find('\n')) : whole));
  }
}

TEST_CASE("longbench: means, and LongBench-E's groups by length") {
  std::vector<Sample> samples(4);
  const std::vector<int64_t> lengths{3999, 4000, 8000, -1};
  std::vector<Answer> answers(4);
  for (size_t i = 0; i < 4; ++i) {
    samples[i].length = lengths[i];
    answers[i].score = static_cast<double>(i + 1) / 4;
  }
  const TaskScore result = summarize(samples, answers);
  CHECK(result.mean == 62.5);
  CHECK(result.by_length ==
        std::vector<std::pair<std::string, double>>{{"0-4k", 25}, {"4-8k", 50}, {"8k+", 75}});
}

TEST_CASE("longbench: what is wrong in a file is named with its line") {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& task, const std::string& lines) {
    const std::filesystem::path path = folder / (task + ".jsonl");
    write_file(path, lines);
    const std::string message = error_of([&] {
      TextForm form;
      read_samples({task, &task_of(task), path}, 0, form);
    });
    return message.starts_with(path.string()) ? message.substr(path.string().size()) : message;
  };
  const std::string good = line_of("q", "c", {"a"}, 3).dump() + "\n\n";
  CHECK(error("qasper", good) == "no error");
  CHECK(error("qasper", "\n") == ": there is no sample in this file");
  CHECK(error("qasper", good + "{\"input\":1").starts_with(":3: as JSON: "));
  CHECK(error("qasper", good + "[]") == ":3: as JSON: column 1: expected an object, found \"[]\"");
  CHECK(error("qasper", good + R"({"input":"q","answers":["a"]})") == ":3: has no \"context\" field");
  CHECK(error("qasper", R"({"input":"q","context":"c","answers":["a"],"_id":NaN,"_id":1e999})") ==
        "no error");
  CHECK(error("qasper", R"({"input":7,"context":"c","answers":["a"]})") ==
        ":1: \"input\" is 7, expected a string");
  CHECK(error("qasper", R"({"input":"q","context":"c","answers":[]})") ==
        ":1: \"answers\" is [], expected a list of one or more strings");
  CHECK(error("qasper", R"({"input":"q","context":"c","answers":"a"})") ==
        ":1: \"answers\" is \"a\", expected a list of one or more strings");
  CHECK(error("qasper", R"({"input":"q","context":"c","answers":["a"],"length":-1})") ==
        ":1: \"length\" is -1, expected 0 or more");
  CHECK(error("trec", R"({"input":"q","context":"c","answers":["a"],"all_classes":null})") ==
        ":1: \"all_classes\" is null, expected a list of one or more strings");
  CHECK(error("passage_retrieval_en", R"({"input":"q","context":"c","answers":["3"]})") ==
        ":1: the answer \"3\" has no number after \"Paragraph \"");
}

TEST_CASE("longbench: a folder's tasks, chosen by name; what is no task is noted or refused") {
  const TemporaryFolder folder;
  for (const char* name : {"trec.jsonl", "qasper_e.jsonl", "qasper.jsonl", "vcsum.jsonl", "notes.txt"})
    write_file(folder / name, "");
  std::vector<std::string> notes;
  const auto names = [&](const std::vector<std::string>& paths, const std::vector<std::string>& wanted) {
    notes.clear();
    std::vector<std::string> found;
    for (const TaskFile& file :
         task_files(paths, wanted, [&](const std::string& note) { notes.push_back(note); }))
      found.push_back(file.name);
    return found;
  };
  const std::string path = folder.path().string();
  using Names = std::vector<std::string>;
  CHECK(names({path}, {}) == Names{"qasper", "qasper_e", "trec"});
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] ==
        path + "/vcsum.jsonl is left out: task 'vcsum' is scored on Chinese words, which need a segmenter");
  CHECK(names({path}, {"trec", "qasper"}) == Names{"qasper", "trec"});
  CHECK(notes.empty());
  CHECK(names({path + "/trec.jsonl", path + "/qasper.jsonl"}, {}) == Names{"trec", "qasper"});
  const auto error = [&](const Names& paths, const Names& wanted) {
    return error_of([&] { names(paths, wanted); });
  };
  CHECK(error({path}, {"lcc"}) == "tasks: there is no lcc.jsonl in " + path);
  CHECK(error({path}, {"vcsum"}).starts_with("tasks: task 'vcsum' is scored on Chinese words"));
  CHECK(error({path + "/vcsum.jsonl"}, {}).starts_with(path + "/vcsum.jsonl: task 'vcsum'"));
  CHECK(error({path, path + "/trec.jsonl"}, {}) ==
        "data: trec is there twice, as " + path + "/trec.jsonl and " + path + "/trec.jsonl");
  CHECK(error({path + "/no"}, {}) == path + "/no: there is no such file or folder");
}

TEST_CASE("longbench: the command, end to end") {
  const TemporaryFolder folder;
  const std::string story = "Once upon a time, there was a girl named Lily. ";
  write_file(folder / "multifieldqa_en.jsonl",
             line_of("Who?", story, {"nobody", "Lily"}, 10).dump() + "\n" +
                 line_of("What?", repeated(story, 40), {"girl"}, 5000).dump() + "\n" +
                 line_of("Why?", story, {"said"}, 9000).dump() + "\n");
  const std::string data = folder.path().string(), out = (folder / "answers.jsonl").string();
  const std::vector<std::string> flags{"eval", "longbench", "--model",
                                       kModel, "--data",    data + "/multifieldqa_en.jsonl"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return run_scca(more);
  };
  const json result = with({"--context", "500", "--out", out, "--json"}).json();
  std::vector<json> lines;
  std::istringstream text(read_text_file(out));
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  REQUIRE(lines.size() == 3);
  double sum = 0;
  for (const json& line : lines) sum += line["score"].get<double>();
  const json& task = result["tasks"]["multifieldqa_en"];
  CHECK(result["context"] == 500);
  CHECK(task["metric"] == "qa_f1");
  CHECK(task["samples"] == 3);
  CHECK(task["truncated"] == 1);
  CHECK(task["score"].get<double>() == about(100 * sum / 3));
  CHECK(result["average"] == task["score"]);
  CHECK(task["by_length"].size() == 3);
  CHECK(task["by_length"]["4-8k"].get<double>() == about(100 * lines[1]["score"].get<double>()));
  CHECK(lines[0]["answers"] == json{"nobody", "Lily"});
  CHECK(lines[0]["all_classes"].is_null());

  // The same prompt by the command that continues texts.
  write_file(folder / "prompt", prompt_of(task_of("multifieldqa_en"), sample_of("Who?", story, {})));
  const json continued =
      run_scca({"generate", "--model", kModel, "--prompt-file", (folder / "prompt").string(), "--temperature",
                "0", "--max-tokens", "64", "--json"})
          .json();
  std::string ids;
  for (const json& id : continued["ids"]) ids += (ids.empty() ? "" : ",") + std::to_string(id.get<int>());
  CHECK(lines[0]["pred"] ==
        run_scca({"tokenize", "--model", kModel, "--decode", ids, "--json"}).json()["text"]);

  CHECK(with({"--context", "500", "--max-samples", "1"}).out.find("multifieldqa_en   qa_f1        1    0") !=
        std::string::npos);
  CHECK(with({"--context", "500", "--bos", "on", "--json"}).json()["average"] != result["average"]);
  const RunResult small = with({"--context", "65"});
  CHECK(small.code == 2);
  CHECK(small.one_error_line());
  CHECK(small.err.find("--context 65: multifieldqa_en answers with up to 64 tokens; expected 66") !=
        std::string::npos);
  CHECK(with({"--context", "500", "--tasks", "squad"}).code == 2);
  CHECK(with({"--context", "500", "--out", data + "/no/x"}).code == 1);
}

TEST_CASE("longbench: answers are written whole or not at all") {
  const TemporaryFolder folder;
  write_file(folder / "triviaqa.jsonl", line_of("a", "b", {std::string(20000, 'x')}, 1).dump());
  RunningScca full_disk({"eval", "longbench", "--model", kModel, "--data", folder.path().string(),
                         "--context", "128", "--out", (folder / "out.jsonl").string()},
                        16384);
  CHECK(full_disk.wait().code == 1);
  CHECK(folder.names() == std::vector<std::string>{"triviaqa.jsonl"});
}
