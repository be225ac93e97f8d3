#include "nn/json.h"

#include <doctest/doctest.h>

#include "tests/temporary_folder.h"

using namespace scca;
using test::error_of;

namespace {

std::string nested(int levels, char open, char close) {
  return std::string(static_cast<size_t>(levels), open) + std::string(static_cast<size_t>(levels), close);
}

std::string error_on(const std::string& text) {
  return error_of([&] { parse_json(text, "x"); });
}

}  // namespace

TEST_CASE("json: values nest to the bound and no deeper") {
  CHECK(error_on(nested(kDeepestJson, '[', ']')) == "no error");
  const std::string deep = "x: is nested deeper than 200 levels, which no tool writes; is the file damaged?";
  CHECK(error_on(nested(kDeepestJson + 1, '[', ']')) == deep);
  CHECK(error_on("{\"a\":" + nested(kDeepestJson - 1, '[', ']') + "}") == "no error");
  CHECK(error_on("{\"a\":" + nested(kDeepestJson, '[', ']') + "}") == deep);
  std::string objects;
  for (int i = 0; i < kDeepestJson; ++i) objects += "{\"a\":";
  CHECK(error_on(objects + "{}" + std::string(kDeepestJson, '}')) == deep);
  CHECK(error_on(std::string(160'000, '[')) == deep);                  // unfinished too
  CHECK(error_on("\"" + nested(300, '[', ']') + "\"") == "no error");  // brackets in a text nest nothing
  std::string wide = "[0";
  for (int i = 0; i < 1000; ++i) wide += ",[[]]";
  CHECK(error_on(wide + "]") == "no error");
}

TEST_CASE("json: an error is one bounded line in printable ASCII, whatever the text is") {
  const std::string document(1'000'000, 'x');
  for (const std::string& text :
       {"\"" + document, "\"" + document + "\x1b[31m\"", "{\"a\":\"" + document + "\xff\"}", document,
        "{\"" + document + "\":1,\"" + document + "\":2}", "[" + std::string(500'000, '9') + "e999]"}) {
    const std::string error = error_on(text);
    CAPTURE(error.substr(0, 400));
    CHECK(error.size() < 400);
    CHECK(error.starts_with("x: "));
    for (const char c : error) CHECK((c >= 0x20 && c < 0x7f));
  }
  // the end of what was read last is where the mistake is
  CHECK(error_on("\"" + document + "the end\x1b\"").find("the end") != std::string::npos);
}

TEST_CASE("json: a key that comes twice is refused, in each object for itself") {
  CHECK(error_on(R"({"a":1,"b":{"a":1}})") == "no error");
  CHECK(error_on(R"({"b":{"a":1,"\u0061":2}})") == "x: the key \"a\" comes twice");
}

TEST_CASE("json: the keys of an object in the text's order, which Json sorts") {
  using Keys = std::vector<std::string>;
  CHECK(keys_in_order(R"({"a":1,"p":{"z":1,"b":{"y":2},"a":3}})", "p") == Keys{"z", "b", "a"});
  for (const char* text : {R"({"p":{}})", R"({"p":[1]})", R"({"q":{"z":1}})", "[]", "1"})
    CHECK(keys_in_order(text, "p").empty());
}
