#include "core/file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;
namespace fs = std::filesystem;

TEST_CASE("file: what is written is read back, and the temporary is gone") {
  const TemporaryFolder folder;
  const std::string text("a\0b\xff\n", 5);
  write_file(folder / "x", text);
  CHECK(read_text_file(folder / "x") == text);
  write_file(folder / "x", "shorter");
  CHECK(read_text_file(folder / "x") == "shorter");
  write_file(folder / "empty", "");
  CHECK(read_text_file(folder / "empty").empty());
  CHECK(folder.names() == std::vector<std::string>{"empty", "x"});
}

TEST_CASE("file: what has no size is read to its end") {
  // A pipe holds 64 KiB: more than the block that is read first, and no power of two.
  std::string text(50001, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], text.data(), text.size()) == std::ssize(text));
  ::close(ends[1]);
  CHECK((read_text_file("/proc/self/fd/" + std::to_string(ends[0])) == text));
  ::close(ends[0]);
}

TEST_CASE("file: several blocks are read and written whole") {
  const TemporaryFolder folder;
  std::string text((size_t{3} << 20) + 17, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  FileWriter file(folder / "x");
  file.write(text.data(), 1000);
  file.write(std::string_view(text).substr(1000));
  file.commit();
  CHECK((read_text_file(folder / "x") == text));
}

TEST_CASE("file: without commit the old file stays and nothing else does") {
  const TemporaryFolder folder;
  write_file(folder / "x", "old");
  {
    FileWriter file(folder / "x");
    file.write("new");
    REQUIRE(folder.names().size() == 2);
    CHECK(folder.names()[1].starts_with("x.scca-"));
  }
  CHECK(read_text_file(folder / "x") == "old");
  CHECK(folder.names() == std::vector<std::string>{"x"});
}

TEST_CASE("file: a name with a zero byte is refused, though a file of the name before it is there") {
  const TemporaryFolder folder;
  write_file(folder / "x", "text");
  const fs::path name = (folder / "x").string() + std::string("\0y", 2);
  const std::string expected =
      "'" + (folder / "x").string() +
      "': cannot be read: the name goes on after a zero byte, which no file's name holds";
  CHECK(error_of([&] { read_text_file(name); }) == expected);
  CHECK(error_of([&] { MappedFile::open(name); }) == expected);
}

// A limit on the file size fails a write half way, as a full disk does, and needs no disk to fill.
TEST_CASE("file: a write that fails half way leaves the old file and no temporary") {
  const TemporaryFolder folder;
  write_file(folder / "x", "old");
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 10000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string error = error_of([&] { write_file(folder / "x", std::string(30000, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(error ==
        (folder / "x").string() + ": cannot be written whole, so nothing was: " + std::strerror(EFBIG));
  CHECK(read_text_file(folder / "x") == "old");
  CHECK(folder.names() == std::vector<std::string>{"x"});
}

TEST_CASE("file: errors name the path and the reason") {
  const TemporaryFolder folder;
  const std::string gone = (folder / "no" / "x").string();
  CHECK(error_of([&] { read_text_file(gone); }) == gone + ": cannot be read: No such file or directory");
  CHECK(error_of([&] { MappedFile::open(gone); }) == gone + ": cannot be read: No such file or directory");
  CHECK(error_of([&] { write_file(gone, ""); }) == gone + ": cannot be written: No such file or directory");
  const std::string self = (folder / ".").string();
  CHECK(error_of([&] { read_text_file(self); }) == self + ": cannot be read: Is a directory");
  CHECK(error_of([&] { MappedFile::open(self); }) == self + ": cannot be read: Is a directory");
  CHECK(error_of([&] { write_file(self, ""); }) ==
        self + ": cannot be written: it is a folder, expected a file or nothing there");
  // Renaming over a device would replace it for the whole machine.
  CHECK(error_of([&] { write_file("/dev/null", ""); }) ==
        "/dev/null: cannot be written: it is a device or pipe, expected a file or nothing there");
}

TEST_CASE("file: a mapping shows the bytes and outlives a replacement of the file") {
  const TemporaryFolder folder;
  write_file(folder / "x", "old bytes");
  const auto mapped = MappedFile::open(folder / "x");
  write_file(folder / "x", "new");
  REQUIRE(mapped->size() == 9);
  CHECK(std::memcmp(mapped->data(), "old bytes", 9) == 0);
  write_file(folder / "empty", "");
  CHECK(MappedFile::open(folder / "empty")->size() == 0);
}

TEST_CASE("file: what nobody borrows of a mapping any more leaves memory, and is there when read again") {
  const auto resident = [] {  // bytes of files, as the system counts them
    int64_t size = 0, all = 0, shared = 0;
    std::ifstream("/proc/self/statm") >> size >> all >> shared;
    return shared * ::sysconf(_SC_PAGESIZE);
  };
  constexpr int64_t bytes = int64_t{16} << 20, slack = int64_t{2} << 20;  // the system counts in batches
  const TemporaryFolder folder;
  write_file(folder / "x", std::string(bytes, 'x'));
  const auto mapped = MappedFile::open(folder / "x");
  const auto sum = [&] { return std::count(mapped->data(), mapped->data() + bytes, std::byte{'x'}); };
  const int64_t before = resident();
  auto borrowed = Storage::borrow(mapped->data(), bytes, mapped);
  CHECK(sum() == bytes);
  CHECK(resident() - before >= bytes - slack);
  borrowed.reset();
  CHECK(resident() - before <= slack);
  CHECK(sum() == bytes);
}
