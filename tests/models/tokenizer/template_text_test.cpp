#include "models/tokenizer/template_text.h"

#include <doctest/doctest.h>

using namespace scca;
using Words = std::set<std::string>;

TEST_CASE("template text: a template's layout does not show") {
  const std::string expected = R"({%forminms%}{{'<|a|>'+m.role+'\n'+m.content+'<|b|>\n'}}{%endfor%})";
  for (const char* jinja :
       {R"({% for m in ms %}{{ '<|a|>' + m['role'] + '\n' + m["content"] + '<|b|>' + '\n' }}{% endfor %})",
        "{%- for m in ms %}\n  {{- \"<|a|>\" + m.role + \"\n\"\n + m.content + '<|b|>\n' -}}\n{% endfor "
        "-%}\n\n",
        "{# what it does: '{{ #}\n{% for m in ms %}\n    {#- more -#}\n {{ '<|' + "
        "'a|>'+m.role+'\\n'+m.content + "
        "'<|b|>\\n' }}{% endfor %}"})
    CHECK(compact_template(jinja) == expected);
}

TEST_CASE("template text: texts keep their spaces and quotes, and what stands outside its white space") {
  CHECK(compact_template(R"({{ "it's" + 'a \'b\' \"c\"' + "\"" }})") == R"({{'it\'sa \'b\' "c""'}})");
  CHECK(compact_template("{{ a }}\n b\n{% c %}\n d\n  {% e %}{{- f }} {{ g -}} ") ==
        "{{a}}\n b\n{%c%} d\n{%e%}{{f}} {{g}}");
  CHECK(compact_template("+{{ 'a' }}+{{ 'b' }}") == "+{{'a'}}+{{'b'}}");
  // cut off anywhere, it is read to its end
  const std::string whole = R"({{- "a\"" + b -}} {# c -#} {%- d %})";
  for (size_t length = 0; length < whole.size(); ++length)
    CHECK(compact_template(whole.substr(0, length)).size() < 40);
}

TEST_CASE("template text: control words are found, comparisons are not") {
  CHECK(control_words("{{'<|im_start|>x'}}[INST] [/INST] <<SYS>>a<</SYS>> '</think>'") ==
        Words{"<|im_start|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "</think>"});
  CHECK(control_words("{%ifa<b%}m[0] m[::-1] m['A'] 1 < 2 <> [] <a b> '<'+x+'>' <").empty());
}

TEST_CASE("template text: a text is found where the template has all of it in one") {
  CHECK(literal_between(R"({{'<s>'+x+'</s>'}}{{'<s>it\'s\n"1"</s>'}})", "'<s>", "</s>'") == "it's\n\"1\"");
  CHECK(literal_between("{{'<s>'+x+'</s>'}}", "'<s>", "</s>'") == std::nullopt);
  CHECK(literal_between("{{'<s>never ends", "'<s>", "</s>'") == std::nullopt);
}
