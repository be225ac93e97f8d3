#include "models/tokenizer/template_text.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "models/tokenizer/template_phrases.h"

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

TEST_CASE("template text: white space at a line's begin goes where the line break before it did") {
  CHECK(compact_template("{% a %}\n  {% b %}\n c\n") == "{%a%}{%b%} c");
}

TEST_CASE("template text: branches for tools are left out, others stay") {
  CHECK(live_template("{%iftools%}{{a}}{%iftools%}{{a}}{%else%}{{b}}{%endif%}{%endif%}{{c}}") == "{{c}}");
  CHECK(live_template("{%iftools%}{{a}}{%else%}{{b}}{%endif%}") == "{{b}}");
  CHECK(live_template("{%iftools%}{{a}}{%elifx%}{{b}}{%else%}{{c}}{%endif%}") ==
        "{%ifx%}{{b}}{%else%}{{c}}{%endif%}");
  CHECK(live_template("{%ifx%}{{a}}{%elifmessage.role=='tool'%}{{b}}{%endif%}") == "{%ifx%}{{a}}{%endif%}");
  CHECK(live_template("{%ifx%}{{a}}{%elifnotmessage.tool_calls%}{{b}}{%else%}{{c}}{%endif%}") ==
        "{%ifx%}{{a}}{%else%}{{b}}{%endif%}");
  CHECK(live_template("{%ifmessage.contentisstring%}{{a}}{%elifx%}{{b}}{%endif%}") == "{{a}}");
  CHECK(live_template("{%fortool_callinmessage.tool_calls%}{{a}}{%endfor%}{%generation%}{{b}}{{raise_"
                      "exception('c')}}{%endgeneration%}") == "{{b}}");
  CHECK(live_template("{%iftoolsand(xory)%}{{'%}{%endif%}'}}{%endif%}") ==
        "{%iftoolsand(xory)%}{{'%}{%endif%}'}}{%endif%}");  // not sure, so that it stays
  for (const char* never :
       {"toolsandx", "(tools)", "xandtools", "message.role=='tool'ormessage.role=='ipython'",
        "toolsisnotnoneand(message==user_messages[-1])"})
    CHECK(live_template(concat("{%if", never, "%}{{a}}{%endif%}")).empty());
  for (const char* sometimes : {"nottools", "toolsorx", "not(xandtools)", "notmessage.role=='tool'"})
    CHECK(live_template(concat("{%if", sometimes, "%}{{a}}{%endif%}")) != "");
  CHECK(outputs_of("{%ifx%}a{{'%}'}}{%endif%}\n") == "a{{'%}'}}\n");
  const std::string whole = "{%iftools%}{{'a'}}{%endif%}{%forx%}{%endfor%}{%endfor%}{%endif%}{%else%}";
  for (size_t length = 0; length < whole.size(); ++length)  // cut off anywhere, it is read to its end
    CHECK(live_template(whole.substr(0, length)).size() < 60);
}

TEST_CASE("template text: phrases are all that it may be put together from") {
  const std::vector<std::string> phrases{"{{a}}", "{{a}}{{b}}", "{{'<s>*</s>'}}", "{%setx='*'%}"};
  const auto free = [&](const std::string& text) {
    const auto found = phrased(text, phrases);
    return found ? found->free.value_or("none") : "other";
  };
  CHECK(free("") == "none");
  CHECK(free("{{a}}{{a}}{{b}}{{a}}") == "none");
  CHECK(free("{{a}}{{b}}{{b}}") == "other");
  CHECK(free("{{a}} ") == "other");
  CHECK(free(R"({{a}}{{'<s>it\'s\n"1"</s>'}})") == "it's\n\"1\"");
  CHECK(free("{%setx=''%}") == "");
  CHECK(free("{{'<s>'+x+'</s>'}}") == "other");
  CHECK(free("{{'<s>never ends") == "other");
  CHECK(free(R"({%setx='\x41'%})") == "other");
  CHECK(free("{%setx='<|a|>'%}") == "other");
}
