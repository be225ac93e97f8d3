#include "core/temporary.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/check.h"
#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;
namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST_CASE("temporary: names that others may use are theirs") {
  const TemporaryFolder folder;
  write_file(folder / "theirs", "theirs");
  for (const char* name : {"x.tmp", "x.scca-0123456.tmp", "x.scca-0123456g.tmp", "xx.scca-01234567.tmp",
                           "x.scca-01234567.tmp2", "x.scca-01234567"})
    write_file(folder / name, "theirs");
  fs::create_symlink("theirs", folder / "x.scca-76543210.tmp");
  fs::create_directory(folder / "x.scca-11111111.tmp");
  const Names before = folder.names();
  write_file(folder / "x", "new");
  CHECK(read_text_file(folder / "x") == "new");
  Names after = folder.names();
  std::erase(after, "x");
  CHECK(after == before);
  CHECK(read_text_file(folder / "theirs") == "theirs");
}

TEST_CASE("temporary: a target without a name is refused, and nothing beside it is touched") {
  const TemporaryFolder folder;
  write_file(folder / "file", "theirs");
  fs::create_directories(folder / "inner" / "deep");
  write_file(folder / "inner" / "file", "theirs");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  for (const char* name : {"", ".", "..", "inner/", "inner/.", "inner/.."}) {
    for (const auto kind : {Temporary::Kind::file, Temporary::Kind::folder})
      CHECK(error_of([&] { Temporary(name, kind); }) ==
            concat("'", name, "' cannot be written: expected the name of a new file or folder"));
  }
  fs::current_path(before);
  CHECK(folder.names() == Names{"file", "inner"});
  CHECK(fs::exists(folder / "inner" / "deep"));
  CHECK(read_text_file(folder / "inner" / "file") == "theirs");
}

TEST_CASE("temporary: what a killed run left is removed by the next one, what is in use is not") {
  const TemporaryFolder folder;
  write_file(folder / "x.scca-01234567.tmp", "left");
  write_file(folder / "y.scca-01234567.tmp", "left by one that made another file");
  write_file(folder / "x", "new");
  CHECK(folder.names() == Names{"x", "y.scca-01234567.tmp"});

  FileWriter first(folder / "x");
  CHECK(error_of([&] { FileWriter second(folder / "x"); }) ==
        (folder / "x").string() + ": cannot be written: another process is writing it");
  CHECK(folder.names().size() == 3);
  first.write("first");
  first.commit();
  CHECK(read_text_file(folder / "x") == "first");
}

TEST_CASE("temporary: leftovers of all targets, but nothing in use") {
  const TemporaryFolder folder;
  write_file(folder / "x.scca-01234567.tmp", "left");
  write_file(folder / ".scca-01234567.tmp", "no target");
  fs::create_directories(folder / "y.scca-01234567.tmp" / "deep");
  fs::create_symlink("z", folder / "z.scca-01234567.tmp");
  FileWriter writer(folder / "z");
  remove_leftovers(folder.path());
  Names names = folder.names();
  CHECK(names.size() == 3);
  std::erase_if(names, [](const std::string& name) { return name.starts_with("z.scca-"); });
  CHECK(names == Names{".scca-01234567.tmp"});
  remove_leftovers(folder / "not there");
}

TEST_CASE("temporary: a folder appears whole or not at all") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "x.tmp");
  write_file(folder / "x.tmp/mine", "");
  fs::create_directories(folder / "x.scca-01234567.tmp" / "deep");  // of a killed run
  write_file(folder / "x.scca-89abcdef.tmp", "no folder");
  {
    FolderWriter writer(folder / "x");
    write_file(writer.path() / "a", "1");
    CHECK_FALSE(fs::exists(folder / "x"));
    CHECK_FALSE(fs::exists(folder / "x.scca-01234567.tmp"));
    CHECK(error_of([&] { FolderWriter second(folder / "x"); }) ==
          (folder / "x").string() + ": cannot be written: another process is writing it");
  }
  CHECK(folder.names() == Names{"x.scca-89abcdef.tmp", "x.tmp"});
  FolderWriter writer(folder / "x");
  write_file(writer.path() / "a", "1");
  writer.commit();
  CHECK(read_text_file(folder / "x/a") == "1");
  CHECK(folder.names() == Names{"x", "x.scca-89abcdef.tmp", "x.tmp"});
  CHECK(fs::exists(folder / "x.tmp/mine"));

  FolderWriter late(folder / "x");  // which is there by now, and not empty
  CHECK(error_of([&] { late.commit(); }).find("cannot be written whole") != std::string::npos);
  CHECK(read_text_file(folder / "x/a") == "1");
}

TEST_CASE("temporary: files have the permissions that the user's mask allows") {
  const TemporaryFolder folder;
  const mode_t mask = ::umask(022);
  write_file(folder / "x", "");
  FolderWriter writer(folder / "f");
  writer.commit();
  ::umask(mask);
  struct stat status;
  REQUIRE(::stat((folder / "x").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0644);
  REQUIRE(::stat((folder / "f").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0755);
}

TEST_CASE("temporary: bytes written over") {
  const TemporaryFolder folder;
  FileWriter file(folder / "x");
  file.write("0000 and more");
  file.write_at(2, "ab");
  file.write("!");
  file.commit();
  CHECK(read_text_file(folder / "x") == "00ab and more!");
}
