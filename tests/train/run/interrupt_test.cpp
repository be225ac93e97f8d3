// The program and the signals that ask it to end: what learns is saved and goes on with the same bits, what
// has nothing to save ends by the signal, and no signal is handled where oneDNN computes.
#include "train/run/interrupt.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "models/config.h"
#include "models/llama.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const std::string kStories = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The words of a line, and more.
Words words(const std::string& line, const Words& more = {}) {
  std::istringstream in(line);
  Words all{std::istream_iterator<std::string>(in), {}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// A text, and a model with its tokenizer: stories260K, or one so wide that most of the time goes into matrix
/// products.
struct Workplace {
  explicit Workplace(bool wide = false) {
    std::ofstream file(data);
    for (int i = 0; i < 100; ++i)
      file << "Tim had " << i << " red balls. He gave " << i % 7 << " to Lily and " << i % 11 << " to Ben.\n";
    if (!wide) return;
    LlamaConfig config;
    config.vocab_size = 512;
    config.hidden_size = 640, config.intermediate_size = 1728, config.head_dim = 64;
    config.num_hidden_layers = 1, config.num_attention_heads = 10, config.num_key_value_heads = 10;
    config.rope.original_length = config.max_position_embeddings = 64;
    model = path("model");
    fs::create_directories(model);
    Llama::initialised(config, 1).save(model, stored_float("f32"));
    fs::copy_file(kStories + "/tokenizer.model", model + "/tokenizer.model");
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  Words training(const std::string& command, const std::string& run, const Words& more) const {
    return words(
        concat(command, " --data ", data, " --out ", path(run), " --context 129 --batch 2 --lr 1e-3"), more);
  }
  Words finetune(const std::string& run, int64_t steps, const Words& more = {}) const {
    return training(concat("finetune --model ", model, " --lora-dropout 0.1 --steps ", steps), run, more);
  }
  Words pretrain(const std::string& run, int64_t steps, const Words& more = {}) const {
    return training(concat("pretrain --config ", model, "/config.json --tokenizer ", model,
                           "/tokenizer.model --schedule constant --save-dtype f32 --steps ", steps),
                    run, more);
  }
  Words study(const std::string& run, int64_t steps, const Words& more = {}) const {
    return training(concat("study --model ", model, " --eval-data ", data,
                           " --patterns full,local(chunk=31) --seeds 1 --lengths 129 --eval-tokens 1100 "
                           "--recall-passages 0 --passkey-trials 0 --steps ",
                           steps),
                    run, more);
  }
  Words eval() const {
    return words(concat("eval --model ", model, " --data ", data, " --context 129 --stride 16"));
  }
  Words generate() const {
    return words(concat("generate --model ", model, " --prompt Tim --max-tokens 100000 --ignore-eos"));
  }

  /// The lines of metrics.jsonl without what depends on the clock and the machine.
  Words metrics(const std::string& run) const {
    Words lines;
    std::ifstream file(folder / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      nlohmann::json m = nlohmann::json::parse(line, nullptr, false);
      if (m.is_discarded()) continue;  // being written just now
      m.erase("tokens_per_s");
      m.erase("peak_bytes");
      lines.push_back(m.dump());
    }
    return lines;
  }

  /// Every result of a study with its bytes; not what tells of the clock.
  std::map<std::string, std::string> results(const std::string& run) const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder / run)) {
      const std::string name = fs::relative(entry.path(), folder / run).string();
      if (entry.is_regular_file() && (name.ends_with(".json") || name.ends_with(".safetensors")) &&
          !name.ends_with("config.json") && name != "study.json" && !contains(name, "checkpoints"))
        found[name] = read_text_file(entry.path());
    }
    return found;
  }

  TemporaryFolder folder;
  std::string data = path("data.txt"), model = kStories;
};

/// A line of /proc/.../status as the set of signals that it is.
uint64_t signals_in(const fs::path& status, const std::string& field) {
  std::ifstream file(status);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1), nullptr, 16);
  return 0;
}

uint64_t set_of(std::initializer_list<int> signals) {
  uint64_t set = 0;
  for (const int signal : signals) set |= uint64_t{1} << (signal - 1);
  return set;
}

void sleep_ms(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// How many runs are interrupted: SCCA_INTERRUPTS=40 for a long look.
int interrupts() {
  const char* given = std::getenv("SCCA_INTERRUPTS");
  return given ? std::atoi(given) : 8;
}

/// The moment of the next signal, and which.
struct Chance {
  std::mt19937 engine{20231};
  int64_t ms(int64_t most) { return std::uniform_int_distribution<int64_t>(0, most)(engine); }
  int signal() { return std::array{SIGINT, SIGTERM, SIGHUP}[static_cast<size_t>(ms(2))]; }
};

/// Interrupts a run without end `times` times, wherever it stands, then lets it do one more step; and all in
/// one go.
template <class Command>
void interrupt_training(const Workplace& place, const std::string& name, const Command& command, int times,
                        Chance& chance) {
  for (int k = 0; k < times; ++k) {
    const size_t before = place.metrics(name).size();
    RunningScca run(command(name, 100000, Words{"--resume"}));
    REQUIRE(run.until([&] { return place.metrics(name).size() > before; }));
    sleep_ms(chance.ms(300));
    run.send(chance.signal());
    const RunResult result = run.wait();
    CAPTURE(result.err);
    CAPTURE(result.signal);
    CHECK(result.code == 1);
    CHECK(contains(result.err, concat("stopped and saved after step ", place.metrics(name).size())));
  }
  const auto steps = static_cast<int64_t>(place.metrics(name).size()) + 1;
  CHECK(run_scca(command(name, steps, Words{"--resume"})).code == 0);
  CHECK(run_scca(command(name + "-whole", steps, Words{})).code == 0);
  CHECK(place.metrics(name).size() == static_cast<size_t>(steps));
  CHECK(place.metrics(name) == place.metrics(name + "-whole"));
  for (const char* file : {"adapter/adapter_model.safetensors", "model/model.safetensors"}) {
    if (!fs::exists(place.folder / name / file)) continue;
    CHECK(read_text_file(place.folder / name / file) ==
          read_text_file(place.folder / (name + "-whole") / file));
  }
}

/// A study has an end, so that some of the signals come in its evaluations, which have nothing to save.
void interrupt_studies(const Workplace& place, int times, Chance& chance) {
  REQUIRE(run_scca(place.study("study-whole", 5)).code == 0);
  int studies = 0;
  for (int k = 0; k < times; ++studies) {
    const std::string name = concat("study-", studies);
    for (bool done = false; !done;) {
      RunningScca run(place.study(name, 5, {"--resume"}));
      const bool interrupted = k++ < times;
      if (interrupted) {
        run.until([&] { return contains(run.err(), "== "); });
        sleep_ms(chance.ms(500));
        run.send(SIGINT);
      }
      const RunResult result = run.wait();
      CAPTURE(result.err);
      CAPTURE(result.signal);
      done = result.code == 0;
      if (!interrupted) CHECK(done);
      if (!done)
        CHECK((result.signal == SIGINT || (result.code == 1 && contains(result.err, "--resume goes on"))));
      if (!done && !interrupted) return;
    }
    CHECK(place.results(name) == place.results("study-whole"));
  }
}

}  // namespace

TEST_CASE("interrupt: no signal is handled in the program, and the thread that takes them is one") {
  const Workplace place;
  struct Case {
    Words command;
    std::string begun;  // on stderr or stdout, once threads compute
  };
  for (const Case& c : {Case{place.finetune("run", 100000), "training  "}, Case{place.eval(), "eval  "},
                        Case{place.generate(), "Tim"}}) {
    CAPTURE(c.command[0]);
    RunningScca run(c.command);
    REQUIRE(run.until([&] { return c.begun == "Tim" ? !run.out().empty() : contains(run.err(), c.begun); }));
    const fs::path process = concat("/proc/", run.pid());
    // What the program does itself may be caught: a fault is not sent by anybody. Above 31 they are glibc's
    // own.
    const uint64_t faults = set_of({SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP});
    CHECK((signals_in(process / "status", "SigCgt") & 0x7fffffff & ~faults) == 0);
    const uint64_t ours = set_of({SIGINT, SIGTERM, SIGHUP, SIGXCPU});
    int takers = 0;  // the kernel shows what a thread waits for as not blocked
    for (const auto& thread : fs::directory_iterator(process / "task"))
      takers += (signals_in(thread.path() / "status", "SigBlk") & ours) != ours;
    CHECK(takers == 1);
    CHECK((signals_in(process / "status", "SigIgn") & set_of({SIGPIPE, SIGXFSZ})) ==
          set_of({SIGPIPE, SIGXFSZ}));
    run.send(SIGKILL);
  }
}

TEST_CASE("interrupt: SIGTERM and SIGHUP save too, and come twice from some parents") {
  const Workplace place;
  for (const int signal : {SIGTERM, SIGHUP, SIGXCPU}) {
    CAPTURE(signal);
    const std::string name = concat("run-", signal);
    RunningScca run(place.finetune(name, 100000));
    REQUIRE(run.until([&] { return !place.metrics(name).empty(); }));
    run.send(signal);
    CHECK(run.until([&] { return contains(run.err(), "stopping after this step"); }));
    for (const int again : {SIGTERM, SIGHUP, SIGXCPU}) run.send(again);
    const RunResult result = run.wait();
    CHECK(result.code == 1);
    const auto steps = static_cast<int64_t>(place.metrics(name).size());
    CHECK(contains(result.err, concat("stopped and saved after step ", steps, " of 100000")));
    CHECK(run_scca(place.finetune(name, steps + 1, {"--resume"})).code == 0);
  }
}

TEST_CASE("interrupt: a second Ctrl-C ends the process at once") {
  const Workplace place;
  // A step without an end; a run that has not begun it yet stops by the first one.
  RunResult result;
  result.code = 1;
  for (int64_t wait = 10; result.code == 1 && wait < 10000; wait *= 2) {
    RunningScca run(place.finetune(concat("run-", wait), 1, {"--grad-accum", "10000000"}));
    REQUIRE(run.until([&] { return contains(run.err(), "training "); }));
    sleep_ms(wait);
    run.send(SIGINT);
    REQUIRE(run.until([&] { return contains(run.err(), "Ctrl-C again ends at once"); }));
    sleep_ms(150);  // sooner it would be the same one, passed on by a parent
    const bool had_not_begun = run.ended();
    if (!had_not_begun) run.send(SIGINT);
    result = run.wait();
    CAPTURE(result.err);
    CHECK((!had_not_begun || contains(result.err, "stopped and saved after step 0 of 1")));
  }
  CHECK(result.signal == SIGINT);
}

TEST_CASE("interrupt: a Ctrl-C that a parent passes on is not a second one") {
  const Workplace place;
  RunningScca run(place.finetune("run", 100000));
  REQUIRE(run.until([&] { return !place.metrics("run").empty(); }));
  for (const int signal : {SIGSTOP, SIGINT, SIGHUP, SIGCONT})
    run.send(signal);  // taken in order of their numbers
  CHECK(run.wait().code == 1);
}

TEST_CASE("interrupt: a study stops also when the run at hand was in its last step") {
  const Workplace place;
  RunningScca run(place.study("study", 1, {"--grad-accum", "60"}));
  REQUIRE(run.until([&] { return contains(run.err(), "training "); }));
  run.send(SIGINT);
  const RunResult result = run.wait();
  CAPTURE(result.err);
  // By the signal if the step was done before it came.
  CHECK((result.code == 1 || result.signal == SIGINT));
  CHECK_FALSE(fs::exists(place.folder / "study" / "full" / "seed-1" / "own.json"));
}

TEST_CASE("interrupt: what the parent had ignored stays ignored") {
  const Workplace place;
  RunningScca run(place.finetune("run", 100000), 0, [] {
    signal(SIGINT, SIG_IGN);  // a background job of a script
    signal(SIGHUP, SIG_IGN);  // nohup
  });
  REQUIRE(run.until([&] { return !place.metrics("run").empty(); }));
  run.send(SIGINT);
  run.send(SIGHUP);
  const size_t before = place.metrics("run").size();
  CHECK(run.until([&] { return place.metrics("run").size() > before + 2; }));
  CHECK_FALSE(run.ended());
  CHECK_FALSE(contains(run.err(), "stopping"));
  run.send(SIGTERM);
  CHECK(run.wait().code == 1);
}

TEST_CASE("interrupt: progress whose reader is gone loses no work") {
  const Workplace place;
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  RunningScca run(place.finetune("run", 3), 0, [write_end = ends[1]] { dup2(write_end, STDERR_FILENO); });
  close(ends[0]);
  close(ends[1]);
  CHECK(run.wait().code == 0);
  CHECK(place.metrics("run").size() == 3);
  CHECK(fs::exists(place.folder / "run" / "adapter" / "adapter_model.safetensors"));
}

TEST_CASE("interrupt: a command with nothing to save ends by the signal") {
  const Workplace place;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CAPTURE(signal);
    RunningScca run(place.generate());
    REQUIRE(run.until([&] { return !run.out().empty(); }));
    run.send(signal);
    CHECK(run.wait().signal == signal);
  }
}

TEST_CASE("interrupt: what was being written is gone with the process") {
  const Workplace place;
  RunningScca run(
      words(concat("prompts passkey --model ", kStories,
                   " --min-tokens 200 --max-tokens 300 --count 1000000 --out ", place.path("p.jsonl"))));
  REQUIRE(run.until([&] { return contains(run.err(), "prompts  "); }));
  CHECK(place.folder.names().size() == 2);
  run.send(SIGTERM);
  CHECK(run.wait().signal == SIGTERM);
  CHECK(place.folder.names() == Words{"data.txt"});
}

TEST_CASE("interrupt: a folder is gone also when files come into it just then") {
  const Workplace place;
  const std::string model = place.path("model");
  fs::copy(kStories, model);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
                           "added_tokens.json", "merges.txt", "chat_template.jinja"})
    write_file(model + "/" + name, "{}");
  std::mt19937 engine(7);
  for (int k = 0; k < 3 * interrupts(); ++k) {
    RunningScca run(words(concat("merge --model ", model, " --out ", place.path("merged"))));
    run.until([&] { return place.folder.names().size() > 2; });
    std::this_thread::sleep_for(std::chrono::microseconds(engine() % 20000));
    run.send(SIGTERM);
    run.wait();
    fs::remove_all(place.path("merged"));  // there, whole, where the signal came late
    REQUIRE(place.folder.names() == Words{"data.txt", "model"});
  }
}

TEST_CASE("interrupt: at random moments, and gone on with to the same bits") {
  const Workplace place(true);
  Chance chance;
  const int each = interrupts() / 4;
  interrupt_training(
      place, "finetune",
      [&](const std::string& run, int64_t steps, const Words& more) {
        return place.finetune(run, steps, more);
      },
      each, chance);
  interrupt_training(
      place, "pretrain",
      [&](const std::string& run, int64_t steps, const Words& more) {
        return place.pretrain(run, steps, more);
      },
      each, chance);
  interrupt_studies(place, each, chance);
  const RunResult whole = run_scca(place.eval());
  CHECK(whole.code == 0);
  for (int k = 0; k < each; ++k) {
    RunningScca run(place.eval());
    run.until([&] { return contains(run.err(), "eval  "); });
    sleep_ms(chance.ms(300));
    run.send(SIGINT);
    const RunResult result = run.wait();
    if (result.code != 0) CHECK(result.signal == SIGINT);
    if (result.code == 0) CHECK(result.out == whole.out);
  }
}
