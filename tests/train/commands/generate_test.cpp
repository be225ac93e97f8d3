// generate as a user runs it: a text continued, a chat, stdin, what ends an answer.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "core/check.h"
#include "models/tokenizer/chat_ids.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
using Words = std::vector<std::string>;

/// `scca generate --model stories260K MORE...` with this on stdin.
RunResult generate(const Words& more, const std::string& input = "", const std::string& model = kModel) {
  const TemporaryFolder folder;
  const std::string file = (folder / "stdin").string();
  write_file(file, input);
  Words words{"generate", "--model", model};
  if (std::ranges::find(more, "--temperature") == more.end())
    words.insert(words.end(), {"--temperature", "0"});
  words.insert(words.end(), more.begin(), more.end());
  const int from = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  RunResult result = RunningScca(words, 0, [from] { dup2(from, STDIN_FILENO); }).wait();
  close(from);
  return result;
}

bool contains(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

std::string text_of(const Words& more, const std::string& input = "") {
  Words words = more;
  words.push_back("--json");
  return generate(words, input).json()["text"].get<std::string>();
}

/// stories260K with a template of its own.
struct WithTemplate {
  explicit WithTemplate(const std::string& chat_template) {
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.model"})
      std::filesystem::copy_file(kModel + "/" + file, folder / file);
    write_file(folder / "tokenizer_config.json", json{{"chat_template", chat_template}}.dump());
  }
  std::string path() const { return folder.path().string(); }
  TemporaryFolder folder;
};

std::string llama2_template() {
  for (const json& golden : json::parse(read_text_file(SCCA_SOURCE_DIR "/tests/golden/chat.json")))
    if (golden["form"] == "llama2") return golden["template"].get<std::string>();
  return "";
}

const Words kLlama2{"--chat", "--chat-template", "llama2", "--max-tokens", "8"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_CASE("generate: a prompt from stdin is the same as one on the line") {
  const Words most{"--max-tokens", "12"};
  const std::string text = text_of(with(most, {"--prompt", "Once upon\na time"}));
  CHECK(text_of(with(most, {"--prompt", "-"}), "Once upon\na time") == text);
  CHECK(text_of(with(most, {"--prompt-file", "-"}), "Once upon\na time") == text);
  const RunResult windows = generate(with(most, {"--prompt", "-"}), "Once upon\r\na time");
  CHECK(windows.out == text + "\n");
  CHECK(contains(windows.err, "note: stdin: line ends became LF"));
  CHECK(
      generate({"--prompt", "-"}, "a\xff").err.starts_with("scca generate: stdin: is not UTF-8 at byte 1;"));
  CHECK(contains(generate({"--prompt", "-"}, "").err, "--prompt: is empty"));
  const RunResult closed =
      RunningScca({"generate", "--model", kModel, "--prompt", "-"}, 0, [] { close(STDIN_FILENO); }).wait();
  CHECK(closed.code == 1);
  CHECK(contains(closed.err, "stdin cannot be read"));
}

TEST_CASE("generate: stops end the text and are not shown, streamed or as JSON") {
  const Words flags{"--prompt", "Once upon a time", "--max-tokens", "30"};
  const std::string whole = text_of(flags);
  const std::string stop = whole.substr(20, 9), expected = whole.substr(0, whole.find(stop));
  const Words stopping = with(flags, {"--stop", "never said", stop});
  CHECK(generate(stopping).out == expected + "\n");
  const json made = generate(with(stopping, {"--json"})).json();
  CHECK(made["text"] == expected);
  CHECK(made["end"] == "stop");
  CHECK(generate({"--prompt", "a", "--stop", ""}).err ==
        "scca generate: --stop '': expected a text, in UTF-8\n");
}

TEST_CASE("generate: how fast it was is on stderr, and in the JSON") {
  const RunResult shown = generate({"--prompt", "Once upon a time", "--max-tokens", "30"});
  CHECK(std::regex_search(
      shown.err,
      std::regex("\nprompt: 4 tokens, [0-9.e+]+ tokens/s; answer: 30 tokens, [0-9.e+]+ tokens/s\n$")));
  const json made = generate({"--prompt", "Once", "--max-tokens", "30", "--json"}).json();
  CHECK(made["prompt_tokens_per_s"].get<double>() > 0);
  CHECK(made["answer_tokens_per_s"].get<double>() > 0);
  CHECK(made["end"] == "max_tokens");
  const json one = generate({"--prompt", "Once", "--max-tokens", "1", "--json"}).json();
  CHECK(one["answer_tokens_per_s"].is_null());
}

TEST_CASE("generate: settings that narrow the choice reach the model, and are checked") {
  const Words flags{"--prompt", "Once upon a time", "--max-tokens", "40"};
  const Words hot = with(flags, {"--temperature", "3", "--top-p", "1", "--seed", "5"});
  const std::string greedy = text_of(flags), free = text_of(hot);
  CHECK(free != greedy);
  CHECK(text_of(with(hot, {"--top-k", "1"})) == greedy);
  CHECK(text_of(with(hot, {"--min-p", "1"})) == greedy);
  CHECK(text_of(with(flags, {"--repetition-penalty", "2"})) != greedy);
  for (const Words& bad : {Words{"--top-k", "-1"}, {"--min-p", "1.5"}, {"--repetition-penalty", "0"}}) {
    const RunResult refused = generate(with({"--prompt", "a"}, bad));
    CHECK(refused.code == 2);
    CHECK(refused.one_error_line());
    CHECK(contains(refused.err, bad[0]));
  }
}

TEST_CASE("generate: the same seed gives the same text and ids on any number of threads") {
  // with oneDNN's AVX2 code, in which sums depend on how many threads there are
  setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
  std::string prompt;
  for (int i = 0; i < 90; ++i) prompt += " and then Tim saw a big dog";
  std::vector<json> made;
  for (const char* threads : {"1", "2", "3", "5"}) {
    setenv("OMP_NUM_THREADS", threads, 1);
    json one =
        generate({"--prompt", prompt, "--max-tokens", "60", "--temperature", "1.5", "--seed", "9", "--json"})
            .json();
    made.push_back({one["ids"], one["text"]});
  }
  unsetenv("OMP_NUM_THREADS");
  unsetenv("DNNL_MAX_CPU_ISA");
  for (const json& one : made) CHECK(one == made[0]);
}

TEST_CASE("generate --chat: one turn by the model's own template or by one that is named") {
  const WithTemplate model(llama2_template());
  const Words turn{"--chat", "--prompt", "Once upon", "--system", "Be kind", "--max-tokens", "8"};
  const RunResult own = generate(turn, "", model.path());
  CHECK(own.code == 0);
  CHECK(contains(own.err, "chat: the template llama2, the model's own\n"));
  CHECK(!contains(own.err, "BOS"));
  const json made = generate(with(turn, {"--chat-template", "llama2", "--json"})).json();
  CHECK(own.out == made["text"].get<std::string>() + "\n");
  const Tokenizer tokenizer{std::filesystem::path(kModel)};
  const ChatTemplate llama2(chat_form_named("llama2"));
  CHECK(
      made["prompt_ids"] ==
      json(encode_chat(tokenizer, llama2.render({{"system", "Be kind"}, {"user", "Once upon"}}, true)).ids));
  CHECK(generate(with(turn, {"--chat-template", "zephyr", "--json"})).json()["prompt_ids"] !=
        made["prompt_ids"]);
}

TEST_CASE("generate --chat: lines of stdin are turns, each asked with those before it") {
  const json turns = generate(with(kLlama2, {"--json"}), "Once upon\r\n\na time").json()["turns"];
  REQUIRE(turns.size() == 2);
  const std::string first = turns[0]["text"].get<std::string>();
  CHECK(turns[0] != turns[1]);
  const Tokenizer tokenizer{std::filesystem::path(kModel)};
  const ChatTemplate llama2(chat_form_named("llama2"));
  CHECK(
      turns[1]["prompt_ids"] ==
      json(encode_chat(tokenizer,
                       llama2.render({{"user", "Once upon"}, {"assistant", first}, {"user", "a time"}}, true))
               .ids));
  const RunResult shown = generate(kLlama2, "Once upon\na time\n");
  CHECK(shown.out == first + "\n" + turns[1]["text"].get<std::string>() + "\n");
  CHECK(contains(shown.err, "; answer: 16 tokens"));  // both turns'
  CHECK(generate(kLlama2, "").out.empty());
  CHECK(generate(with(kLlama2, {"--json"}), "").json() == json{{"turns", json::array()}});
}

TEST_CASE("generate --chat: a terminal is asked, and long chats are told of") {
  const RunResult far = generate({"--chat", "--chat-template", "llama2", "--max-tokens", "600"}, "Once\n");
  CHECK(contains(far.err, "warning: "));
  CHECK(!contains(far.err, "> "));  // a file is not

  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(master >= 0);
  REQUIRE(grantpt(master) == 0);
  REQUIRE(unlockpt(master) == 0);
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  RunningScca run(with({"generate", "--model", kModel}, kLlama2), 0,
                  [terminal] { dup2(terminal, STDIN_FILENO); });
  REQUIRE(run.until([&] { return contains(run.err(), "> "); }));
  REQUIRE(write(master, "caf\xe9\n", 5) == 5);  // is asked for again
  REQUIRE(run.until([&] { return contains(run.err(), "note: stdin: is not UTF-8"); }));
  REQUIRE(write(master, "Once\n", 5) == 5);
  REQUIRE(run.until([&] { return contains(run.out(), "\n"); }));
  REQUIRE(write(master, "\x04", 1) == 1);  // Ctrl-D
  const RunResult asked = run.wait();
  close(terminal);
  close(master);
  CHECK(asked.code == 0);
  CHECK(contains(asked.err, "answer: "));
}

TEST_CASE("generate --chat: a line that is no text loses nothing of what was answered") {
  const RunResult run = generate(with(kLlama2, {"--json"}), "Once\ncaf\xe9\nupon\n");
  CHECK(run.code == 1);
  CHECK(contains(run.err, "stdin: is not UTF-8 at byte 3"));
  CHECK(json::parse(run.out)["turns"].size() == 1);
}

TEST_CASE("generate --chat: what cannot be is refused in a line") {
  const WithTemplate unknown("{{ messages }}");
  struct Case {
    Words words;
    int code;
    std::string expected;
  };
  for (const Case& c :
       {Case{{"--chat", "--prompt", "a"}, 1, "has no chat template"},
        Case{{"--chat", "--prompt", "a", "--chat-template", "alpaca"},
             2,
             "--chat-template 'alpaca': expected one of llama2"},
        Case{{"--chat", "--prompt", "a", "--chat-template", "chatml"}, 1, "the tokenizer has no <|im_end|>"},
        Case{{"--chat", "--prompt", "", "--chat-template", "llama2"}, 2, "--prompt: is empty"},
        Case{{"--chat", "--prompt", "[INST]", "--chat-template", "llama2"},
             1,
             "chat: message 1 spells [INST]"},
        Case{{"--chat", "--prompt", "a", "--bos", "on"}, 2, "--bos"},
        Case{{"--system", "a", "--prompt", "a"}, 2, "--chat"},
        Case{{"--chat-template", "llama2", "--prompt", "a"}, 2, "--chat"}}) {
    CAPTURE(c.expected);
    const RunResult result = generate(c.words);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(contains(result.err, c.expected));
  }
  CHECK(contains(
      generate({"--chat", "--prompt", "a"}, "", unknown.path()).err,
      "its chat template is none of the built-in forms; if one of them does, name it by --chat-template: "));
  CHECK(contains(generate(kLlama2, "a\xff\n").err, "stdin: is not UTF-8 at byte 1;"));
}
