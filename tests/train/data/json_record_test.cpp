#include "train/data/json_record.h"

#include <doctest/doctest.h>

#include "tests/temporary_folder.h"

using namespace scca;
using test::error_of;

namespace {

std::string text_of(const std::string& object) {
  return JsonRecord(object, "x").fields({"text"})["text"].get<std::string>();
}

std::string error_on(const std::string& object) {
  return error_of([&] { text_of(object); });
}

}  // namespace

TEST_CASE("json record: other fields may hold what they like") {
  const std::string brackets = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string other :
       {R"("a":NaN)", R"("a":-Infinity)", R"("a":1e999)", R"("a":123456789012345678901234567890)",
        R"("a":1,"a":2)", R"("a":"\ud800")", "\"a\":\"\xff\"", R"("a":{"a":1,"a":[NaN, {}]})",
        R"("a":"]}\"{[")", R"("\ud800":1)", "\"a\":\"\t\"", R"("a":{"text":"no"})"}) {
    CAPTURE(other);
    CHECK(text_of("{" + other + ",\"text\":\"yes\"}") == "yes");
    CHECK(text_of("{\"text\":\"yes\", " + other + " } ") == "yes");
  }
  CHECK(text_of("{\"a\":" + brackets + ",\"text\":\"yes\"}") == "yes");
  CHECK(text_of(R"({"t\u0065xt":"a\n\u00e9"})") == "a\n\xC3\xA9");
}

TEST_CASE("json record: the field that is wanted is read strictly") {
  CHECK(error_on(R"({"text":"a","text":"b"})") == "x: the key \"text\" comes twice");
  CHECK(error_on(R"({"text":"a","t\u0065xt":"b"})") == "x: the key \"text\" comes twice");
  CHECK(error_on(R"({"text":"\ud800"})").starts_with("x: \"text\": not JSON: "));
  CHECK(error_on("{\"text\":\"\xff\"}").starts_with("x: \"text\": not JSON: "));
  CHECK(error_on(R"({"text":NaN})").starts_with("x: \"text\": not JSON: "));
  CHECK(error_on("{\"text\":" + std::string(300, '[') + std::string(300, ']') + "}").find("nested deeper") !=
        std::string::npos);
}

TEST_CASE("json record: what is no whole object is told with its place") {
  CHECK(error_on("[1]") == "x: as JSON: column 1: expected an object, found \"[1]\"");
  CHECK(error_on("") == "x: as JSON: column 1: expected an object, found the end");
  CHECK(
      error_on("{'text': 'a'}").find("column 2: expected a field's name in double quotes, found \"'text'") !=
      std::string::npos);
  CHECK(error_on(R"({"text" "a"})").find("column 9: expected a colon after the field's name") !=
        std::string::npos);
  CHECK(error_on(R"({"text":})").find("column 9: expected a value, found \"}\"") != std::string::npos);
  CHECK(error_on(R"({"text":"a)").find("column 9: expected a string that ends on its line") !=
        std::string::npos);
  CHECK(error_on(R"({"text":"a" "b":1})").find("column 13: expected a comma or the object's end") !=
        std::string::npos);
  CHECK(error_on(R"({"text":"a"} x)").find("column 14: expected nothing after the object") !=
        std::string::npos);
  CHECK(error_on(R"({"a":[1,2},"text":"a"})").find("expected a ] for the last [") != std::string::npos);
  CHECK(error_on(R"({"a":[{"b":1})").find("expected a ] for every [, found the end") != std::string::npos);
  CHECK(error_on("{\"a\":" + std::string(160'000, '[')).find("found the end") != std::string::npos);
}

TEST_CASE("json record: its names, the first few") {
  CHECK(JsonRecord("{}", "x").names() == "no field at all");
  CHECK(JsonRecord(R"({"a":1, "b" : 2})", "x").names() == R"("a", "b")");
  std::string many = "{\"" + std::string(1000, 'k') + "\":0";
  for (int i = 0; i < 30; ++i) many += ",\"f" + std::to_string(i) + "\":0";
  const std::string names = JsonRecord(many + "}", "x").names();
  CHECK(names.size() < 200);
  CHECK(names.ends_with("\"f6\" and 23 more"));
}

TEST_CASE("json record: an array's elements") {
  const auto elements = [](const std::string& array) { return json_elements(array, "x"); };
  CHECK(elements(" [ ] ").empty());
  CHECK(elements("[ {\"a\":[1]} ,\"b\",\n2]") == std::vector<std::string_view>{"{\"a\":[1]}", "\"b\"", "2"});
  CHECK(error_of([&] { elements("[1,\n2"); }) ==
        "x: as JSON: line 2, column 2: expected a comma or the array's end, found the end");
  CHECK(error_of([&] { elements("[1] 2"); }).find("expected nothing after the array") != std::string::npos);
}

TEST_CASE("json record: a text may begin with a bracket") {
  for (const char* prose : {"", "{", "[", "{{Infobox", "[Illustration: a cat]", "[1] See there", "{a}",
                            "[\"Hello,\" he said]", "['Tis but a jest,' said he]", "{\"quoted\" text}",
                            "\"Well\", said he", "[\"one\nline\", \"b\"]", "[[\"a\"]]"}) {
    CAPTURE(prose);
    CHECK_FALSE(begins_as_objects(prose));
    CHECK_FALSE(begins_as_array(prose));
  }
  for (const char* objects : {"{}", "{\"text\":1}", " \n{ \"a\" : ", "{'text': 'python'", "{\"a\\\"b\": "})
    CHECK(begins_as_objects(objects));
  for (const char* array : {"[{\"a\":", " [ \"one\", ", "[\"one\"]", "['one', 'two']", "[{}"})
    CHECK(begins_as_array(array));
}
