// The attention spec: what it means, what it prints, and how it says what is wrong.
#include "nn/patterns/spec.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "core/check.h"
#include "nn/patterns/plan_json.h"
#include "nn/patterns/plan_prefix.h"
#include "tests/temporary_folder.h"

using namespace scca;

namespace {

std::string canonical(const std::string& spec) { return parse_attention_spec(spec).to_string(); }

/// The message of the UsageError that the spec makes.
std::string complaint(const std::string& spec) {
  try {
    parse_attention_spec(spec);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("spec: canonical form") {
  CHECK(canonical(" scca-fixed ( shift = 256 , chunk=512 ) ") == "scca-fixed(chunk=512,shift=256)");
  CHECK(canonical("local(chunk=1/4)") == "local");
  CHECK(canonical("local(chunk=2/8)") == "local");
  CHECK(canonical("local(chunk=2/6)") == "local(chunk=1/3)");
  CHECK(canonical("local()") == "local");
  CHECK(canonical("scca-fixed(shift=0)") == "scca-fixed(shift=0)");
  CHECK(canonical("mix( local * 2, window(chunk=512), full*1 )") == "mix(local*2,window(chunk=512),full)");
  CHECK(canonical("sda(dilation=04)") == "sda");
  CHECK(canonical("s2;full@3, 1;local@0") == "full@1,3;local@0;s2");
}

TEST_CASE("spec: layers use their own patterns, and equal extents share one plan") {
  const AttentionSpec spec = parse_attention_spec("full@0,2;local(chunk=4)");
  CHECK(spec.plan(16, 2, 0) == spec.plan(16, 2, 2));
  CHECK(spec.plan(16, 2, 1) == spec.plan(16, 2, 31));
  CHECK(visible_pairs(*spec.plan(16, 2, 0)->heads[0], true) == 136);
  CHECK(visible_pairs(*spec.plan(16, 2, 1)->heads[0], true) == 40);
  CHECK(spec.plan(16, 2) != spec.plan(16, 3));
  CHECK(spec.plan(16, 2) != spec.plan(17, 2));
  CHECK(spec.distinct_layers() == 4);
  CHECK(parse_attention_spec("local").distinct_layers() == 1);

  const AttentionSpec copy = spec;
  CHECK(copy.plan(16, 2, 0) == spec.plan(16, 2, 0));
  const std::weak_ptr<const AttentionPlan> first = spec.plan(16, 2, 0);
  for (int64_t tokens = 1; tokens <= 100; ++tokens) spec.plan(tokens, 2, 0);
  CHECK(first.expired());  // the cache is bounded

  spec.check_layers(3);
  CHECK_THROWS_WITH_AS(spec.check_layers(2),
                       "attention spec: full@0,2;local(chunk=4) names layer 2, but the model has 2 (0 to 1)",
                       UsageError);
  CHECK_THROWS_WITH_AS(spec.plan(0, 2),
                       "attention spec: plan for 0 tokens, 2 heads, layer 0, expected at least 1, 1 and 0",
                       Error);
}

TEST_CASE("spec: in both directions, with layers, and not for a plan file") {
  const AttentionSpec one_way = parse_attention_spec("full@1;window(chunk=2)");
  const AttentionSpec both = one_way.bidirectional();
  CHECK(both.to_string() == one_way.to_string());
  CHECK(one_way.plan(6, 2)->causal);
  CHECK(!both.plan(6, 2)->causal);
  CHECK(sees(*both.plan(6, 2), 0, 2, 3));
  CHECK(!sees(*both.plan(6, 2), 0, 2, 4));
  CHECK(sees(*both.plan(6, 2, 1), 0, 0, 5));
  CHECK(!both.continues(4, 6, 2));  // new tokens are seen by the earlier ones
  const test::TemporaryFolder folder;
  const std::string path = (folder / "plan.json").string();
  std::ofstream(path) << plan_to_json(*one_way.plan(6, 2));
  CHECK(test::error_of([&] {
          parse_attention_spec("@" + path).bidirectional();
        }).find("(it is); change it there") != std::string::npos);
}

TEST_CASE("spec: an unknown pattern") {
  std::string known;  // the tests register one of their own
  for (const PatternEntry& entry : registered_patterns()) known += (known.empty() ? "" : ", ") + entry.name;
  CHECK(known.find("full, local, longmixed, mix, s2, scca-fixed, scca-flow, sda, window") !=
        std::string::npos);
  CHECK(complaint("local@0;scca-fixd(chunk=512)") ==
        "attention spec: unknown pattern 'scca-fixd', did you mean 'scca-fixed'? Known patterns: " + known +
            "\n  local@0;scca-fixd(chunk=512)\n"
            "          ^");
  CHECK(complaint("quadratic")
            .starts_with("attention spec: unknown pattern 'quadratic'. Known patterns: dilated, "));
  CHECK(complaint("mix(local, \xc3\xa9)").ends_with("\n  mix(local, \xc3\xa9)\n             ^"));
  CHECK(complaint("\xc3\xa9\t(,)").ends_with("\n  \xc3\xa9 (,)\n     ^"));
}

TEST_CASE("spec: of a long one the message shows the part around the mistake") {
  const std::string before(300, 'a'), behind(300, 'b');
  CHECK(complaint(before + ")" + behind)
            .ends_with("\n  ..." + std::string(200, 'a') + ")" + std::string(199, 'b') + "...\n  " +
                       std::string(203, ' ') + "^"));
  // A character of two bytes is not cut, and takes one column.
  std::string accents;
  for (int i = 0; i < 150; ++i) accents += "\xc3\xa9";
  CHECK(complaint("local)" + accents).ends_with("\n  local)" + accents.substr(0, 198) + "...\n       ^"));
  CHECK(complaint(accents + ")")
            .ends_with("\n  ..." + accents.substr(100) + ")\n  " + std::string(103, ' ') + "^"));
}

TEST_CASE("spec: grammar") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "found the end, expected a pattern\n  \n  ^"},
      {"  ", "found the end, expected a pattern\n    \n    ^"},
      {"local(chunk=5", "found the end, expected ',' or ')'\n  local(chunk=5\n               ^"},
      {"local(chunk=)", "found ')', expected a value\n  local(chunk=)\n              ^"},
      {"local(chunk 5)", "found '5', expected ',' or ')'\n  local(chunk 5)\n              ^"},
      {"local(,)", "found ',', expected a parameter or a pattern\n  local(,)\n        ^"},
      {"local,window",
       "found ',', expected ';', '@' and layers, or the end (to share the heads, write mix(a, b))\n"
       "  local,window\n       ^"},
      {"local@", "found the end, expected a layer's number (the first is 0)\n  local@\n        ^"},
      {"local@0,x;s2", "found 'x', expected a layer's number (the first is 0)\n  local@0,x;s2\n          ^"},
      {"local@0,0;s2", "layer 0 is named twice\n  local@0,0;s2\n          ^"},
      {"local@0;s2@0;full", "layer 0 is named twice\n  local@0;s2@0;full\n             ^"},
      {"local@0",
       "no pattern for the layers that are not named; add one, such as ;scca-fixed\n  local@0\n         ^"},
      {"local;s2",
       "a second pattern without layers; write name@0,1 to name its layers\n  local;s2\n        ^"},
      {"local;", "found the end, expected a pattern\n  local;\n        ^"},
      {"mix(local*0)",
       "found '0', expected a weight: a whole number from 1 up\n  mix(local*0)\n            ^"},
      {"mix(local*two)",
       "found 'two', expected a weight: a whole number from 1 up\n  mix(local*two)\n            ^"},
      {"mix(s2@1)", "found '@', expected ',' or ')'\n  mix(s2@1)\n        ^"},
  };
  for (const auto& [spec, message] : cases) CHECK(complaint(spec) == "attention spec: " + message);

  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "mix(";
  CHECK(complaint(deep).starts_with("attention spec: more than 16 patterns inside each other\n"));
}

TEST_CASE("spec: parameters") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"local(chunk=0)", "local: chunk is 0, expected at least 1 token\n  local(chunk=0)\n              ^"},
      {"local(chunk=5/4)",
       "local: chunk is '5/4', expected a fraction above 0 and at most 1\n  local(chunk=5/4)\n              "
       "^"},
      {"local(chunk=1/0)",
       "local: chunk is '1/0', expected a fraction above 0 and at most 1\n  local(chunk=1/0)\n              "
       "^"},
      {"local(chunk=0.25)",
       "local: chunk is '0.25', expected tokens such as 512 or 2k or a fraction such as 1/4\n"
       "  local(chunk=0.25)\n              ^"},
      {"local(chunk=-5)",
       "local: chunk is '-5', expected tokens such as 512 or 2k or a fraction such as 1/4\n"
       "  local(chunk=-5)\n              ^"},
      {"local(chunk=99999999999999999999)",
       "local: chunk is '99999999999999999999', which is more than 2147483647, expected tokens such as 512 "
       "or 2k "
       "or a fraction such as 1/4\n"
       "  local(chunk=99999999999999999999)\n              ^"},
      {"local(chunk=1/2147483648)",
       "local: chunk is '1/2147483648', which is more than 2147483647, expected tokens such as 512 or 2k or "
       "a "
       "fraction such as 1/4\n"
       "  local(chunk=1/2147483648)\n              ^"},
      {"mix(local*2147483648)",
       "found '2147483648', which is more than 2147483647, expected a weight: a whole number from 1 up\n"
       "  mix(local*2147483648)\n            ^"},
      {"sda(dilation=2147483648)",
       "sda: dilation is '2147483648', which is more than 2147483647, expected a whole number from 1 up\n"
       "  sda(dilation=2147483648)\n               ^"},
      {"local(chunk=s2())",
       "local: chunk is 's2', expected tokens such as 512 or 2k or a fraction such as 1/4\n"
       "  local(chunk=s2())\n              ^"},
      {"local(512)",
       "local: '512' is not of the form name=value; local takes chunk, sinks\n  local(512)\n        ^"},
      {"full(512)", "full: '512' is not of the form name=value; full takes sinks\n  full(512)\n       ^"},
      {"scca-fixed(shif=5)",
       "scca-fixed: unknown parameter 'shif', did you mean 'shift'? It takes chunk, shift, sinks\n"
       "  scca-fixed(shif=5)\n             ^"},
      {"full(chunk=5)", "full: unknown parameter 'chunk'. It takes sinks\n  full(chunk=5)\n       ^"},
      {"local(chunk=5,chunk=6)",
       "local: parameter 'chunk' is given twice\n  local(chunk=5,chunk=6)\n                ^"},
      {"scca-fixed(chunk=512,shift=512)",
       "scca-fixed: shift 512 is not below the chunk, 512\n"
       "  scca-fixed(chunk=512,shift=512)\n                             ^"},
      {"scca-fixed(shift=1/2)",
       "scca-fixed: shift 1/2 is not below the chunk, 1/4\n  scca-fixed(shift=1/2)\n                   ^"},
      {"scca-flow(early=locl)",
       "scca-flow: early is 'locl', expected one of: zero, local\n"
       "  scca-flow(early=locl)\n                  ^"},
      {"sda(dilation=0)",
       "sda: dilation is '0', expected a whole number from 1 up\n  sda(dilation=0)\n               ^"},
      {"sda(dilation=1/2)",
       "sda: dilation is '1/2', expected a whole number from 1 up\n  sda(dilation=1/2)\n               ^"},
      {"mix(dilation=2)",
       "mix: expected patterns inside, such as mix(local*2, window)\n  mix(dilation=2)\n  ^"},
      {"mix(local,dilation=2)",
       "mix: unknown parameter 'dilation'. It takes patterns, sinks\n  mix(local,dilation=2)\n            ^"},
  };
  for (const auto& [spec, message] : cases) CHECK(complaint(spec) == "attention spec: " + message);
}

TEST_CASE("spec: tokens may be written in units of 1024") {
  CHECK(parse_attention_spec("scca-fixed(chunk=2k,shift=1.5K)").to_string() ==
        "scca-fixed(chunk=2048,shift=1536)");
  CHECK(parse_attention_spec("window(chunk=1m)").to_string() == "window(chunk=1048576)");
  for (const char* spec : {"local(chunk=2kb)", "local(chunk=1k/4)", "local(chunk=1/4k)", "sda(dilation=1k)",
                           "local(chunk=3000m)", "local(chunk=1.3k)"})
    CHECK_THROWS_AS(parse_attention_spec(spec), UsageError);
}

TEST_CASE("spec: what would take all memory there is is refused") {
  const auto error = [](const char* spec, int64_t tokens, int64_t heads) {
    return test::error_of([&] { parse_attention_spec(spec).plan(tokens, heads); });
  };
  CHECK(error("full@2000000000;local", 64, 2).find("found layer 2000000000, expected 0 to 16383") !=
        std::string::npos);
  CHECK(error("full@16383;local", 64, 2) == "no error");
  CHECK(error("full", 64, int64_t{1} << 31).find("expected at most 65536") != std::string::npos);
  for (const char* spec :
       {"local(chunk=1)", "window(chunk=2)", "s2(chunk=1)", "scca-fixed(chunk=3)", "scca-flow(chunk=1)",
        "sda(dilation=16m)", "sda(dilation=16777216)", "longmixed(chunk=1)", "mix(full,local(chunk=1))"})
    CHECK_MESSAGE(error(spec, int64_t{1} << 24, 64) != "no error", spec);
  CHECK(error("sda(dilation=4194304)", int64_t{1} << 24, 2).find("8388608 tiles, expected at most 4194304") !=
        std::string::npos);
}

TEST_CASE("spec: a shift in tokens is held against a chunk that is a fraction when the length is known") {
  const AttentionSpec spec = parse_attention_spec("scca-fixed(shift=256)");
  CHECK(spec.plan(1028, 2)->tokens == 1028);
  CHECK_THROWS_WITH_AS(spec.plan(1024, 2),
                       "scca-fixed: at 1024 tokens shift 256 is 256, not below the chunk 1/4, which is 256",
                       UsageError);
}

TEST_CASE("spec: a plan file fits only its own extent") {
  const std::string path = "spec_test_plan.json";
  const PlanPtr plan = parse_attention_spec("scca-fixed(chunk=5)").plan(33, 3);
  std::ofstream(path) << plan_to_json(*plan);
  const AttentionSpec spec = parse_attention_spec(" @" + path + " ");
  CHECK(spec.to_string() == "@" + path);
  CHECK(spec.distinct_layers() == 1);
  const PlanPtr back = spec.plan(33, 3, 7);
  CHECK(back == spec.plan(33, 3));
  REQUIRE(back->heads.size() == 3);
  for (size_t head = 0; head < 3; ++head) CHECK(*back->heads[head] == *plan->heads[head]);
  CHECK_THROWS_WITH_AS(
      spec.plan(34, 3),
      "attention spec: the plan in spec_test_plan.json is for 33 tokens and 3 heads, found 34 tokens "
      "and 3 heads; a plan file fits only its own, use a pattern's name for any other length",
      UsageError);
  CHECK_THROWS_AS(spec.plan(33, 2), UsageError);
  CHECK(parse_attention_spec("full").file_hash().empty());
  CHECK(spec.file_hash().size() == 16);
  CHECK(parse_attention_spec("@" + path).file_hash() == spec.file_hash());
  std::ofstream(path) << plan_to_json(*parse_attention_spec("full").plan(33, 3));
  CHECK(parse_attention_spec("@" + path).file_hash() != spec.file_hash());
  std::remove(path.c_str());
  CHECK_THROWS_WITH_AS(parse_attention_spec("@none.json"),
                       "none.json: cannot be read: No such file or directory", Error);
}

TEST_CASE("attention spec: a plan continues a shorter one exactly when the predicate sees the same") {
  int64_t changing = 0, staying = 0;
  for (const PatternEntry& entry : registered_patterns()) {
    for (const std::string& text : entry.examples) {
      CAPTURE(text);
      const PatternPtr pattern = parse_pattern(text);
      const AttentionSpec spec = parse_attention_spec(text);
      for (const int64_t heads : {1, 8, 9}) {
        for (const auto& [from, to] :
             {std::pair<int64_t, int64_t>{1, 2}, {5, 8}, {12, 13}, {31, 33}, {33, 77}}) {
          CAPTURE(from);
          CAPTURE(to);
          bool same = true;
          for (int64_t head = 0; head < heads; ++head)
            for (int64_t query = 0; query < from; ++query)
              for (int64_t key = 0; key <= query; ++key)
                same &= pattern->visible({from, heads}, head, query, key) ==
                        pattern->visible({to, heads}, head, query, key);
          CHECK(spec.continues(from, to, heads) == same);
          ++(same ? staying : changing);
        }
      }
    }
  }
  CHECK(changing > 50);
  CHECK(staying > 50);
  // all layers are asked
  CHECK(!parse_attention_spec("full;s2@2").continues(33, 77, 8));
  CHECK(parse_attention_spec("full;local(chunk=5)@2").continues(33, 77, 8));
}

TEST_CASE("attention spec: lengths in tokens, as a length makes them") {
  const auto at = [](const char* spec, int64_t tokens) {
    return parse_attention_spec(spec, tokens).to_string();
  };
  CHECK(at("scca-fixed", 2048) == "scca-fixed(chunk=512)");
  CHECK(at("scca-fixed(chunk=1/3,shift=1/4)", 100) == "scca-fixed(chunk=34,shift=25)");
  CHECK(at("scca-fixed(chunk=7,shift=6)", 100) == "scca-fixed(chunk=7,shift=6)");
  CHECK(at("mix(s2,sda(dilation=3)*2,local(chunk=5));window@1", 33) ==
        "window(chunk=9)@1;mix(s2(chunk=9),sda(dilation=3)*2,local(chunk=5))");
  CHECK(at("full", 33) == "full");
  // the same plan at that length
  for (const PatternEntry& entry : registered_patterns())
    for (const std::string& spec : entry.examples)
      for (const int64_t tokens : {1, 31, 33}) {
        CAPTURE(spec);
        const PlanPtr plain = parse_attention_spec(spec).plan(tokens, 8);
        const PlanPtr fixed = parse_attention_spec(spec, tokens).plan(tokens, 8);
        CHECK(continues(*plain, *fixed));
        CHECK(parse_attention_spec(parse_attention_spec(spec, tokens).to_string()).to_string() ==
              parse_attention_spec(spec, tokens).to_string());
      }
}
