// The house's rule: core <- ops <- nn <- models <- train. A folder includes only itself and those to its
// left. The same in train, room by room.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>

#include "core/check.h"
#include "train/cli/command.h"
#include "train/report/messages.h"

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kFolders{"core", "ops", "nn", "models", "train"};

/// Those of models and of train, each before what includes it; what stands in none of them (train/main.cpp)
/// may include all.
const std::vector<std::string> kRooms{"models/files",     "models/tokenizer", "models",
                                      "train/report",     "train/data",       "train/cli",
                                      "train/evaluation", "train/run",        "train/study",
                                      "train/bench",      "train/commands",   "train/examples"};

/// Of the name that `path` lies below, places.size() when there is none.
size_t place_of(const std::string& path, const std::vector<std::string>& places) {
  const auto holds = [&](const std::string& place) { return path.starts_with(place + "/"); };
  return static_cast<size_t>(std::find_if(places.begin(), places.end(), holds) - places.begin());
}

/// take(path below root, line) for every line of the sources below the folders.
void for_each_line(const fs::path& root,
                   const std::function<void(const std::string&, const std::string&)>& take) {
  for (const std::string& folder : kFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string ending = entry.path().extension().string();
      if (ending != ".h" && ending != ".cpp" && ending != ".cu" && ending != ".cuh") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) take(fs::relative(entry.path(), root).string(), line);
    }
  }
}

/// "nn/linear.cpp includes models/llama.h", for each include that points right. An example, which is copied
/// out of the tree, names the files beside it by their names alone.
std::vector<std::string> wrong_arrows(const fs::path& root) {
  const std::regex include("^\\s*#\\s*include\\s*\"([^\"]*)\"");
  std::vector<std::string> wrong;
  for_each_line(root, [&](const std::string& file, const std::string& line) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) return;
    const std::string other = match[1];
    if (file.starts_with("train/examples/") && other.find('/') == other.npos) return;
    const size_t folder = place_of(other, kFolders), room = place_of(other, kRooms);
    if (folder == kFolders.size() || folder > place_of(file, kFolders) ||
        (room < kRooms.size() && room > place_of(file, kRooms)))
      wrong.push_back(scca::concat(file, " includes ", other));
  });
  return wrong;
}

/// The constants that a line at namespace scope makes and that are not written as in kThing.
std::vector<std::string> wrong_constants(const std::string& line) {
  static const std::regex makes("^(inline |static )*const(expr)? "), function("^[^={\\[]*\\("),
      name("[ ,]([A-Za-z_]\\w*)(\\[\\w*\\])?( = |\\{)"), right("k[A-Z]\\w*");
  std::vector<std::string> wrong;
  if (!std::regex_search(line, makes) || std::regex_search(line, function)) return wrong;
  for (std::sregex_iterator i(line.begin(), line.end(), name), end; i != end; ++i)
    if (!std::regex_match((*i)[1].str(), right)) wrong.push_back((*i)[1]);
  return wrong;
}

/// What of them may not speak of flags: they are used by other programs too.
const std::vector<std::string> kLibraries{"core", "ops", "nn", "models", "train/evaluation", "train/data"};

/// "nn/lora.cpp: --lora-rank", for each flag in a text of a library. Two are of programs that
/// a message advises.
std::vector<std::string> flags_in_libraries(const fs::path& root) {
  const std::regex text("\"([^\"\\\\]|\\\\.)*\""), flag("--[a-z][a-z-]*");
  const std::set<std::string> others{"--local-dir", "--convert-to"};
  std::vector<std::string> found;
  for_each_line(root, [&](const std::string& file, const std::string& line) {
    if (place_of(file, kLibraries) == kLibraries.size() || line.find("--") == line.npos ||
        line.find("add_option(") != line.npos)
      return;
    for (std::sregex_iterator literal(line.begin(), line.end(), text), end; literal != end; ++literal) {
      std::smatch match;
      const std::string words = literal->str();
      if (std::regex_search(words, match, flag) && !others.contains(match.str()))
        found.push_back(file + ": " + match.str());
    }
  });
  return found;
}

/// The settings that messages name, by Setting("...").
std::set<std::string> named_settings(const fs::path& root) {
  const std::regex setting("Setting\\(\"([a-z_]+)\"\\)");
  std::set<std::string> names;
  for_each_line(root, [&](const std::string&, const std::string& line) {
    for (std::sregex_iterator match(line.begin(), line.end(), setting), end; match != end; ++match)
      names.insert((*match)[1]);
  });
  return names;
}

/// Every flag of every command.
std::set<std::string> flags_of(const CLI::App& app) {
  std::set<std::string> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) flags.insert("--" + name);
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    flags.merge(flags_of(*sub));
  return flags;
}

/// The files that parse JSON, by any of the library's ways: a second place would have no bound on depth.
std::set<std::string> json_parsers(const fs::path& root) {
  const std::regex parse("json::(sax_)?(parse|accept|from_[a-z]+)\\s*\\(", std::regex::icase);
  std::set<std::string> files;
  for_each_line(root, [&](const std::string& file, const std::string& line) {
    if (line.find("son::") != line.npos && std::regex_search(line, parse)) files.insert(file);
  });
  return files;
}

}  // namespace

TEST_CASE("layout: no include points right") {
  for (const std::string& arrow : wrong_arrows(SCCA_SOURCE_DIR)) FAIL_CHECK(arrow);
}

TEST_CASE("layout: an include that points right would be seen") {
  const fs::path root = fs::temp_directory_path() / "scca_layout_test";
  for (const std::string& folder : kFolders) fs::create_directories(root / folder);
  fs::create_directories(root / "train" / "data");
  fs::create_directories(root / "models" / "files");
  std::ofstream(root / "ops" / "bad.h")
      << "#include \"core/tensor.h\"\n#include \"nn/linear.h\"\n#include \"near.h\"\n";
  std::ofstream(root / "models" / "files" / "a.h") << "#include \"models/llama.h\"\n";
  std::ofstream(root / "models" / "b.h") << "#include \"models/files/a.h\"\n";
  std::ofstream(root / "train" / "data" / "a.h")
      << "#include \"train/report/axis.h\"\n #include \"train/run/b.h\"\n";
  fs::create_directories(root / "train" / "examples" / "own");
  std::ofstream(root / "train" / "examples" / "own" / "a.cpp")
      << "#include \"b.h\"\n#include \"train/commands/c.h\"\n#include \"tests/d.h\"\n";
  std::ofstream(root / "train" / "main.cpp") << "#include \"train/commands/c.h\"\n";
  const std::vector<std::string> wrong = wrong_arrows(root);
  CHECK(std::set(wrong.begin(), wrong.end()) ==
        std::set<std::string>{"ops/bad.h includes nn/linear.h", "ops/bad.h includes near.h",
                              "models/files/a.h includes models/llama.h",
                              "train/data/a.h includes train/run/b.h",
                              "train/examples/own/a.cpp includes tests/d.h"});
  fs::remove_all(root);
}

TEST_CASE("layout: a library names settings, and each has a flag on the command line") {
  for (const std::string& flag : flags_in_libraries(SCCA_SOURCE_DIR)) FAIL_CHECK(flag);
  scca::CommandLine line;
  const std::set<std::string> flags = flags_of(line.app()), names = named_settings(SCCA_SOURCE_DIR);
  CHECK(names.size() > 15);
  for (const std::string& name : names) {
    INFO(name);
    CHECK(flags.contains(scca::with_flags(scca::Setting(name.c_str()))));
  }
  const fs::path root = fs::temp_directory_path() / "scca_layout_flags_test";
  for (const std::string& folder : kFolders) fs::create_directories(root / folder);
  fs::create_directories(root / "train" / "data");
  fs::create_directories(root / "models" / "files");
  fs::create_directories(root / "train" / "run");
  std::ofstream(root / "nn" / "a.cpp") << "fail(\"--rank \", rank);\n// --rank\n--count;\n";
  std::ofstream(root / "train" / "data" / "b.h") << "fail(\"a\", \"give \\\"x\\\" --bos\");\n";
  std::ofstream(root / "train" / "run" / "c.h") << "fail(\"--rank\");\n";
  std::ofstream(root / "models" / "d.h") << "fail(\"hf --local-dir\");\n";
  CHECK(flags_in_libraries(root) == std::vector<std::string>{"nn/a.cpp: --rank", "train/data/b.h: --bos"});
  fs::remove_all(root);
}

TEST_CASE("layout: JSON is parsed in one place, which bounds its depth") {
  CHECK(json_parsers(SCCA_SOURCE_DIR) == std::set<std::string>{"nn/json.cpp"});
  const fs::path root = fs::temp_directory_path() / "scca_layout_json_test";
  for (const std::string& folder : kFolders) fs::create_directories(root / folder);
  std::ofstream(root / "nn" / "a.cpp") << "const Json x = nlohmann::json::parse(text);\n";
  std::ofstream(root / "train" / "b.cpp") << "const Json x = Json::from_cbor (bytes);\n";
  std::ofstream(root / "train" / "c.cpp") << "const Json x = parse_json(text, where);\n";
  CHECK(json_parsers(root) == std::set<std::string>{"nn/a.cpp", "train/b.cpp"});
  fs::remove_all(root);
}

TEST_CASE("layout: every folder and room says what it is") {
  for (const auto* places : {&kFolders, &kRooms}) {
    for (const std::string& place : *places) {
      INFO(place);
      CHECK(fs::exists(fs::path(SCCA_SOURCE_DIR) / place / "README.md"));
    }
  }
}

TEST_CASE("layout: every room of train stands in the list of rooms") {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SCCA_SOURCE_DIR) / "train")) {
    const std::string file = fs::relative(entry.path(), SCCA_SOURCE_DIR).string();
    if (!file.ends_with(".cpp") && !file.ends_with(".h")) continue;
    CHECK_MESSAGE((file == "train/main.cpp" || place_of(file, kRooms) < kRooms.size()), file);
  }
}

TEST_CASE("layout: a constant of a namespace is written kThing") {
  using Names = std::vector<std::string>;
  CHECK(wrong_constants("constexpr int kRows = 3, columns = 4;") == Names{"columns"});
  CHECK(wrong_constants("inline constexpr Color seen{0, 114, 178}, kUnseen{222, 222, 222};") ==
        Names{"seen"});
  CHECK(wrong_constants("const double dashes[] = {0, 12, 2};") == Names{"dashes"});
  CHECK(wrong_constants("constexpr int rows(int n = 3) {").empty());
  CHECK(wrong_constants("  constexpr int rows = 3;").empty());  // of a function

  Names wrong;
  for_each_line(fs::path(SCCA_SOURCE_DIR), [&](const std::string& file, const std::string& line) {
    for (const std::string& name : wrong_constants(line)) wrong.push_back(scca::concat(file, ": ", name));
  });
  CHECK(wrong == Names{});
}
