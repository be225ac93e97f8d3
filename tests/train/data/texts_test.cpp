// Texts as people bring them, through the real program: what is not read as it is meant is refused in a line.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <thread>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

const std::string kStory =
    "Once upon a time, there was a little girl named Lily.\nShe loved to play outside in the park.\n\n\"One "
    "day,\" said Lily, \"I saw a big, red ball.\"\nShe wanted to play with it, but it was too high.\n\nThe "
    "end.\n";

std::string with_line_ends(const std::string& text, const std::string& end) {
  std::string other;
  for (const char c : text) other += c == '\n' ? end : std::string(1, c);
  return other;
}

RunResult evaluate(const std::string& data, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"eval", "--model", kModel, "--data", data, "--context", "31", "--json"});
  return run_scca(more);
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

std::string brackets(int levels) { return std::string(static_cast<size_t>(levels), '['); }

/// stories260K in a folder of its own, to be damaged.
struct Copy {
  Copy() {
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.model"})
      fs::copy_file(kModel + "/" + name, folder / name);
  }
  RunResult logits(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"logits", "--model", folder.path().string(), "--ids", "1,2,3"});
    return run_scca(more);
  }
  TemporaryFolder folder;
};

void write_with_header(const fs::path& file, const std::string& header) {
  const uint64_t length = header.size();
  std::string content(sizeof length, '\0');
  std::memcpy(content.data(), &length, sizeof length);
  write_file(file, content + header);
}

}  // namespace

TEST_CASE("texts: a book with CR LF or CR has the perplexity of the same book with LF") {
  const TemporaryFolder folder;
  const auto path = [&](const std::string& name, const std::string& content) {
    write_file(folder / name, content);
    return (folder / name).string();
  };
  const RunResult lf = evaluate(path("lf.txt", kStory));
  CHECK(lf.err.find("note") == std::string::npos);
  const json expected = lf.json();
  const std::string crlf = with_line_ends(kStory, "\r\n"), cr = with_line_ends(kStory, "\r");
  for (const std::string& file :
       {path("crlf.txt", crlf), path("cr.txt", cr), path("mark.txt", "\xEF\xBB\xBF" + crlf),
        path("crlf.jsonl", json{{"text", crlf}}.dump() + "\r\n"),
        path("cr", json{{"text", cr}}.dump() + "\r")}) {
    CAPTURE(file);
    const RunResult result = evaluate(file);
    CHECK(result.json() == expected);
    CHECK(count(result.err, "note: --data: line ends became LF in 1 of 1 texts (") == 1);
  }
  const RunResult kept = evaluate(folder / "crlf.txt", {"--keep-line-ends"});
  CHECK(kept.json()["nll"].get<double>() > expected["nll"].get<double>());
  CHECK(kept.err.find("note") == std::string::npos);
}

TEST_CASE("texts: prompts too") {
  const TemporaryFolder folder;
  write_file(folder / "lf", kStory);
  write_file(folder / "crlf", "\xEF\xBB\xBF" + with_line_ends(kStory, "\r\n"));
  const auto ids = [&](const std::string& name, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"tokenize", "--model", kModel, "--json", "--file", (folder / name).string()});
    return run_scca(more).json()["ids"];
  };
  CHECK(ids("crlf") == ids("lf"));
  CHECK(ids("crlf", {"--keep-line-ends"}).size() > ids("lf").size());
  const auto prompt = [&](const std::string& name) {
    const RunResult result = run_scca({"generate", "--model", kModel, "--prompt-file",
                                       (folder / name).string(), "--max-tokens", "1", "--json"});
    CHECK(count(result.err, "note: ") == (name == "crlf"));
    return result.json()["prompt_ids"];
  };
  CHECK(prompt("crlf") == prompt("lf"));
}

TEST_CASE("texts: JSONL through a pipe is JSONL") {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 3; ++i) lines += json{{"n", i}, {"text", kStory}}.dump() + "\n";
  write_file(folder / "a.JSONL", lines);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  std::thread writer([&] {
    const int pipe = ::open((folder / "pipe").c_str(), O_WRONLY);
    for (size_t i = 0; i < lines.size(); i += 100)  // in pieces, as a slow program writes
      if (::write(pipe, lines.data() + i, std::min<size_t>(100, lines.size() - i)) < 0) break;
    ::close(pipe);
  });
  const json piped = evaluate(folder / "pipe").json();
  writer.join();
  CHECK(piped == evaluate(folder / "a.JSONL").json());
}

TEST_CASE("texts: what is no text is refused in a line by every command that reads one") {
  const TemporaryFolder folder;
  const std::string gzip("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), nul("text\0text", 9);
  const struct {
    std::string content, expected;
  } cases[] = {{gzip, "is gzip data that are cut short after 10 bytes; fetch the file again"},
               {nul, "is no text: byte 4 is 0x00"},
               {"caf\xE9 au lait", "iconv -f windows-1252"}};
  const std::string file = folder / "book.txt", out = folder / "run";
  for (const auto& c : cases) {
    write_file(file, c.content);
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"tokenize", "--model", kModel, "--file", file},
             {"generate", "--model", kModel, "--prompt-file", file},
             {"eval", "--model", kModel, "--data", file, "--context", "31"},
             {"eval", "recall", "--model", kModel, "--data", file, "--context", "256"},
             {"finetune", "--model", kModel, "--data", file, "--context", "64", "--out", out}}) {
      const RunResult result = run_scca(command);
      CAPTURE(result.err);
      CHECK(result.code == 1);
      CHECK(result.one_error_line());
      CHECK(result.err.find(c.expected) != std::string::npos);
    }
  }
  CHECK(folder.names() == std::vector<std::string>{"book.txt"});
}

TEST_CASE("texts: a folder says what it leaves out") {
  const TemporaryFolder folder;
  write_file(folder / "a.TXT", kStory);
  write_file(folder / "b.pdf", "%PDF-1.4");
  write_file(folder / "c.json", "[{\"question\": \"a\", \"answer\": \"b\"}]");
  const RunResult result = evaluate(folder.path());
  CHECK(result.code == 0);
  CHECK(count(result.err, "note: --data: left out of " + folder.path().string() +
                              ": 1 .json without texts, 1 .pdf\n") == 1);
  const RunResult named = evaluate(folder / "c.json");
  CHECK(named.code == 1);
  CHECK(named.one_error_line());
  CHECK(named.err.find(R"(has no "text" field, but "question", "answer";)") != std::string::npos);
}

TEST_CASE("texts: a message quotes no document and steers no terminal") {
  const TemporaryFolder folder;
  const std::string document(1'000'000, 'x');
  for (const std::string& line : {"{\"text\": \"" + document, "{\"text\": \"" + document + "\x1b[2J\"}",
                                  "{\"text\": [\"" + document + "\"]}", "{\"" + document + "\": 1}"}) {
    write_file(folder / "a.jsonl", line);
    const RunResult result = evaluate(folder / "a.jsonl");
    CHECK(result.code == 1);
    CHECK(result.one_error_line());
    CHECK(result.err.size() < 800);
    CHECK(result.err.find('\x1b') == std::string::npos);
  }
  const std::string strange = folder / "a\x1b]0;title\x07\nscca: done.txt";
  write_file(strange, "caf\xE9");
  const RunResult result = evaluate(strange);
  CHECK(result.one_error_line());
  CHECK(result.err.find("a\\x1b]0;title\\x07\\nscca: done.txt: is not UTF-8") != std::string::npos);
}

TEST_CASE("texts: an escape sequence in a tensor's name stays a name") {
  const Copy copy;
  write_with_header(copy.folder / "model.safetensors",
                    R"({"\u001b[2J\u009b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
  const RunResult result = copy.logits();
  CHECK(result.code == 1);
  CHECK(result.one_error_line());
  for (const char* steering : {"\x1b", "\xC2\x9b"}) CHECK(result.err.find(steering) == std::string::npos);
}

TEST_CASE("texts: deeply nested JSON is a line, whichever file it is in") {
  const std::string deep = brackets(160'000), closed = deep + std::string(160'000, ']');
  const auto refused = [](const RunResult& result, const std::string& file) {
    CAPTURE(result.err);
    CHECK(result.code == 1);
    CHECK(result.one_error_line());
    CHECK(result.err.find(file) != std::string::npos);
    CHECK(result.err.find("nested deeper than 200 levels") != std::string::npos);
  };
  for (const std::string& value : {deep, closed}) {
    const Copy copy;
    const fs::path& folder = copy.folder.path();
    const std::string config = read_text_file(folder / "config.json");
    write_file(folder / "config.json", "{\"nobody_reads_this\":" + value + "," + config.substr(1));
    refused(copy.logits(), "config.json");
    write_file(folder / "config.json", config);
    write_file(folder / "plan.json", "{\"tokens\":" + value + "}");
    refused(copy.logits({"--attention", "@" + (folder / "plan.json").string()}), "plan.json");
    fs::create_directories(folder / "adapter");
    write_file(folder / "adapter/adapter_config.json", "{\"r\":" + value + "}");
    write_with_header(folder / "adapter/adapter_model.safetensors", "{}");
    refused(copy.logits({"--adapter", (folder / "adapter").string()}), "adapter_config.json");
    fs::remove_all(folder / "adapter");  // beside it, this folder would look like a run's
    write_with_header(folder / "model.safetensors", "{\"a\":" + value + "}");
    refused(copy.logits(), "model.safetensors: header");
    fs::remove(folder / "model.safetensors");
    write_file(folder / "model.safetensors.index.json", "{\"weight_map\":" + value + "}");
    refused(copy.logits(), "model.safetensors.index.json");
  }
  const TemporaryFolder folder;
  write_file(folder / "a.jsonl", "{\"text\":" + closed + "}");
  refused(evaluate(folder / "a.jsonl"), "a.jsonl:1: \"text\"");
  write_file(folder / "qasper.jsonl", "{\"input\":" + closed + "}");
  refused(run_scca({"eval", "longbench", "--model", kModel, "--data", folder / "qasper.jsonl", "--context",
                    "512"}),
          "qasper.jsonl:1: \"input\"");
  // in a field that nobody reads it stops nothing
  write_file(folder / "b.jsonl", "{\"other\":" + closed + ",\"text\":" + json(kStory).dump() + "}");
  CHECK(evaluate(folder / "b.jsonl").code == 0);
  // and without its end it is no record
  write_file(folder / "c.jsonl", "{\"other\":" + deep);
  CHECK(evaluate(folder / "c.jsonl").one_error_line());
}
