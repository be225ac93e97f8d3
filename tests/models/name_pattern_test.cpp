#include "models/name_pattern.h"

#include <doctest/doctest.h>

#include <chrono>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

/// What Python 3.11 says of five names: x where re.fullmatch(text, name) matches; and where PEFT's
/// re.match(rf"(.*\.)?({text})$", name) does.
struct Row {
  const char *text, *whole, *end;
};
const std::vector<std::string> kNames{"model.layers.0.self_attn.q_proj", "model.layers.11.mlp.down_proj",
                                      "q_proj", "lm_head", "model.embed_tokens"};

}  // namespace

TEST_CASE("name_pattern: matches what Python matches") {
  const Row rows[] = {
      {R"(q_proj)", "--x--", "x-x--"},
      {R"(layers.0.self_attn.q_proj)", "-----", "x----"},
      {R"(layers\.1\.mlp\.down_proj)", "-----", "-----"},
      {R"(layers\.\d+\.mlp\..*)", "-----", "-x---"},
      {R"(model\.layers\.[0-9]\..*)", "x----", "x----"},
      {R"(model\.layers\.1[0-9]\..*)", "-x---", "-x---"},
      {R"(.*(q|v)_proj)", "x-x--", "x-x--"},
      {R"(.*\.(?:gate|up|down)_proj)", "-x---", "-x---"},
      {R"(^q_proj)", "--x--", "--x--"},
      {R"(^model\.layers\.0\..*$)", "x----", "x----"},
      {R"(q_proj$)", "--x--", "x-x--"},
      {R"(.*q_pro)", "-----", "-----"},
      {R"([^.]*_proj)", "--x--", "xxx--"},
      {R"([a-z_]+\.[a-z_]+)", "----x", "xx--x"},
      {R"((self_attn|mlp)\..*?_proj)", "-----", "xx---"},
      {R"(\w+)", "--xx-", "xxxxx"},
      {R"((model|lm)_?(head)?)", "---x-", "---x-"},
      {R"(model\.layers\.\d{2}\.mlp\.down_proj)", "-x---", "-x---"},
      {R"(.*\.1{2,}\..*)", "-x---", "-x---"},
      {R"(.*\.\d{1,3}\.self_attn\.q_proj)", "x----", "x----"},
      {R"((a|b*)*.*)", "xxxxx", "xxxxx"},
      {R"((.*)*x)", "-----", "-----"},
      {R"(model\.layers\.\d{2}\..*)", "-x---", "-x---"},
      {R"(lm_head(x)+)", "-----", "-----"},
      {R"(lm.head|q.proj)", "--xx-", "x-xx-"},
      {R"(model.*tokens)", "----x", "----x"},
      {R"(layers\.0)", "-----", "-----"},
      {R"(\.q_proj)", "-----", "-----"},
      {R"((^q|q)_proj)", "--x--", "x-x--"},
      {R"(a^b)", "-----", "-----"},
      {R"(())", "-----", "-----"},
      {R"(|lm_head)", "---x-", "---x-"},
      {R"([-_a-z]+)", "--xx-", "xxxxx"},
      {R"((q_proj|k_proj)?)", "--x--", "x-x--"},
      {R"((model\.)+embed_tokens)", "----x", "----x"},
      {R"(((((((((.*)*)*)*)*)*)*)*)*q_proj)", "x-x--", "x-x--"},
      {R"((?=q)q_proj)", "--x--", "x-x--"},
      {R"((?!.*mlp).*_proj)", "x-x--", "xxx--"},
      {R"(^(?!.*lm_head).*(?:q_proj|head))", "x-x--", "x-x--"},
      {R"(\bq_proj)", "--x--", "x-x--"},
      {R"(.*\bproj)", "-----", "-----"},
      {R"(.*\Bproj)", "xxx--", "xxx--"},
      {R"(.*?(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|mlp)\.(?:(?:q_proj|down_proj))))", "xx---", "xx---"},
      {R"(\D+)", "--xxx", "xxxxx"},
      {R"(.*\W\w+)", "xx--x", "xx--x"},
      {R"(\S+_proj)", "xxx--", "xxx--"},
      {R"(.*\s.*)", "-----", "-----"},
      {R"(model(?=\.).*\.(q_proj|embed_tokens))", "x---x", "x---x"},
      {R"((?!q)*q_proj)", "--x--", "x-x--"},
      {R"(.*(?=d))", "-----", "-----"},
      {R"(q(?!_)|\w+)", "--xx-", "xxxxx"},
      {R"([^\W_]+\.[\w]+)", "----x", "-x--x"},
      {R"(\b)", "-----", "-----"},
      {R"(q_proj\b)", "--x--", "x-x--"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const NamePattern pattern(row.text);
    std::string whole, end;
    for (const std::string& name : kNames) {
      whole += pattern.matches(name) ? 'x' : '-';
      end += pattern.matches_end(name) ? 'x' : '-';
    }
    CHECK(whole == row.whole);
    CHECK(end == row.end);
  }
}

TEST_CASE("name_pattern: what is not read is refused, and shown") {
  for (const char* text :
       {"",    "(?i)q_proj", "(?<=q)q_proj", "(?=q", "\\Zq", "q{2",  "q{3,2}",      "q{2000}",
        "q*+", "q**",        "(q",           "q)",   "[q",   "[]q]", "[[:alpha:]]", "[z-a]",
        "*q",  "q\\",        "\xc3\xa9",     "q\n",  "{2}",  "(\\1)"})
    CHECK(error_of([&] { NamePattern pattern{text}; }).find("of regular expressions this program reads") !=
          std::string::npos);
  CHECK(error_of([] { NamePattern pattern{"(?i)q"}; }).starts_with("\"(?i)q\": (? is not read; "));
  CHECK(error_of([] {
          NamePattern pattern{std::string(25, '(') + "q" + std::string(25, ')')};
        }).find("20 groups") != std::string::npos);
  CHECK(error_of([] { NamePattern{"q"}.matches(std::string(256, 'q')); }) ==
        "a name of 256 characters, expected fewer than 256");
}

TEST_CASE("name_pattern: no expression takes for ever") {
  std::string deep = "a*";
  for (int i = 0; i < 15; ++i) deep = "(" + deep + "){0,999}";
  const auto before = std::chrono::steady_clock::now();
  CHECK(!NamePattern(deep + "b").matches(std::string(100, 'a')));
  CHECK(NamePattern(deep).matches(std::string(100, 'a')));
  // 15 levels of 100 rounds over 100 x 100 places of 4 words: 10^8 word operations, not 100^15
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(20));
}
