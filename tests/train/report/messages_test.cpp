#include "train/report/messages.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace scca;

TEST_CASE("messages: what passes through the stream is printable, piece by piece") {
  std::ostringstream out;
  {
    const PrintableStream printable(out);
    out << "name \x1b[2J" << '\x07' << "caf\xC3\xA9 " << 7 << "\n" << std::string("\xff");
  }
  out << "\x1b";
  CHECK(out.str() == "name \\x1b[2J\\x07caf\xC3\xA9 7\n\\xff\x1b");
}

TEST_CASE("messages: a setting is said by its flag") {
  CHECK(with_flags("rank 3") == "rank 3");
  CHECK(with_flags(message_of(Setting("top_p"), " 3: expected less than ", Setting("context"), " 2")) ==
        "--top-p 3: expected less than --context 2");
  CHECK(with_flags(message_of("no ", Setting("rank"))) == "no --lora-rank");
  CHECK(with_flags(Setting("task")) == "--tasks");
}

TEST_CASE("messages: a line break of ours stays, one from a name does not") {
  CHECK(message_text("spec: wrong\n  full(\n      ^") == "spec: wrong\n  full(\n      ^");
  CHECK(message_text("a\nscca: done") == "a\\nscca: done");
  CHECK(message_text("a\n") == "a\\n");
}
