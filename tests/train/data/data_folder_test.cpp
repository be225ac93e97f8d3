#include "train/data/data_folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using test::error_of;
using test::TemporaryFolder;

namespace fs = std::filesystem;

namespace {

std::string names_of(const FolderFiles& found, const fs::path& folder) {
  std::string names;
  for (const fs::path& file : found.files) names += file.lexically_relative(folder).string() + " ";
  return names;
}

void write(const fs::path& file, const std::string& content = "text") {
  fs::create_directories(file.parent_path());
  write_file(file, content);
}

}  // namespace

TEST_CASE("data folder: endings in either case; .json by what it holds; the rest is counted") {
  const TemporaryFolder folder;
  const fs::path root = folder / "books";
  for (const char* name : {"b.TXT", "a.md", "c.text", "deep/d.JSONL", "e.ndjson", "f.pdf", "g.PDF", "h.gz",
                           "i.txt.GZ", "j.jsonl.zst", "none"})
    write(root / name);
  write(root / "lines.json", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n");
  write(root / "array.json", "[{\"text\":\"a\"}]");
  write(root / "strings.json", "[\"a\", \"b\"]");
  write(root / "settings.json", "{\n  \"name\": \"books\"\n}\n");
  write(root / "instructions.json", "[{\"instruction\":\"a\",\"output\":\"b\"}]");
  write(root / "questions.json", "[{\"question\":\"a\",\"answer\":\"b\"}]");
  const FolderFiles found = files_of_folder(root);
  CHECK(names_of(found, root) ==
        "a.md array.json b.TXT c.text deep/d.JSONL e.ndjson i.txt.GZ instructions.json j.jsonl.zst "
        "lines.json strings.json ");
  CHECK(found.left_out_text() == "2 .json without texts, 2 .pdf, 1 .gz, 1 without ending");
}

TEST_CASE("data folder: .json by the field that holds the texts; what is damaged is no note but an error") {
  const TemporaryFolder folder;
  const fs::path root = folder / "books";
  write(root / "a.txt");
  write(root / "stories.json", "[{\"story\":\"a\"}]");
  write(root / "marked.json", "\xEF\xBB\xBF[{\"text\":\"a\"}]");
  write(root / "empty.json", "[ ]\n");
  write(root / "comments.json", "// of an editor\n{\"text\": \"a\"}\n");
  FolderFiles found = files_of_folder(root);
  CHECK(names_of(found, root) == "a.txt marked.json ");
  CHECK(found.left_out_text() == "2 .json without texts, 1 .json that cannot be read");
  found = files_of_folder(root, "story");
  CHECK(names_of(found, root) == "a.txt stories.json ");
  write(root / "comma.json", "[{\"text\":\"a\"},]");
  CHECK(error_of([&] { files_of_folder(root); }).find("comma.json: as JSON: ") != std::string::npos);
  fs::remove(root / "comma.json");
  write(root / "tools.json", R"([{"messages":[{"role":"user","content":"a","tool_calls":[{"id":1}]}]}])");
  CHECK(error_of([&] { files_of_folder(root); }).find("\"tool_calls\", and a chat here has no tools") !=
        std::string::npos);
}

TEST_CASE("data folder: hidden files and folders, and what is not a file") {
  const TemporaryFolder folder;
  const fs::path root = folder / "books";
  for (const char* name : {"a.txt", ".hidden.txt", ".git/x.txt", ".ipynb_checkpoints/a.txt"})
    write(root / name);
  REQUIRE(::mkfifo((root / "pipe.txt").c_str(), 0600) == 0);
  fs::create_symlink("nowhere.txt", root / "dangling.txt");
  const FolderFiles found = files_of_folder(root);
  CHECK(names_of(found, root) == "a.txt ");
  CHECK(found.left_out_text() == "3 hidden, 1 device or pipe, 1 link to nothing");
}

TEST_CASE("data folder: links are followed once") {
  const TemporaryFolder folder;
  const fs::path root = folder / "books";
  write(root / "one/a.txt");
  write(folder / "elsewhere/b.txt");
  fs::create_directory_symlink(folder / "elsewhere", root / "two");
  fs::create_directory_symlink(root, root / "one/loop");
  fs::create_directory_symlink(folder / "elsewhere", root / "three");
  fs::create_symlink(root / "one/a.txt", root / "same.txt");
  fs::create_hard_link(root / "one/a.txt", root / "twin.txt");
  const FolderFiles found = files_of_folder(root);
  CHECK(names_of(found, root) == "one/a.txt three/b.txt ");
  CHECK(found.left_out_text() == "4 link to what is read already");
}
