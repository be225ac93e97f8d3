"""Makes tests/golden/chat.json: what transformers' apply_chat_template makes of chats, as text and as ids.

The templates say what those of the models say, in a layout of our own. Made with transformers 5.24.0 and tokenizers 0.23.3; run again it
writes the same bytes.
"""

import json
import pathlib
import re

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou\\'re the \\"default\\".<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

CHATML_BOS = r"""{#- no default -#}
{{ bos_token }}
{%- for message in messages -%}
    {{- "<|im_start|>" + message.role + "\n" + message.content + "<|im_end|>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "<|im_start|>assistant\n" -}}
{%- endif -%}
"""

CHATML_TOOLS = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a default.' }}
    {%- endif %}
    {{- "\n\n# Tools within <tools></tools>:\n<tools>" }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are a default.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "tool" %}
        {{- '<tool_response>\n' + message.content + '\n</tool_response>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

CHATML_VARIABLE = r"""{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = 'You are a default.' %}{% endif %}{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% for message in loop_messages %}{% if loop.index0 == 0 %}{{'<|im_start|>system
' + system_message + '<|im_end|>
'}}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

QWEN3 = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {{- "# Tools within <tools></tools>:\n<tools>\n</tools>\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
            {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""
# The same of later models, whose contents may be lists of parts and so have a name of their own; it is the thought that is cut out first.
TAKEN_APART = """            {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
            {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
"""
QWEN3_LATER = QWEN3
for earlier, later in [("""    {%- if (message.role == "user") or""", """    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or"""), ("""        {%- set content = message.content %}
        {%- set reasoning""", "        {%- set reasoning"), ("'\\n' + message.content + '<|im_end|>'", "'\\n' + content + '<|im_end|>'"),
                       ("'</think>' in message.content", "'</think>' in content"), (TAKEN_APART, "".join(reversed(TAKEN_APART.replace("message.", "").splitlines(True))))]:
    assert earlier in QWEN3_LATER, earlier
    QWEN3_LATER = QWEN3_LATER.replace(earlier, later)

LLAMA2 = r"""{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

LLAMA3 = r"""{% for message in messages %}
    {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}
    {% if loop.index0 == 0 %}
        {% set content = bos_token + content %}
    {% endif %}
{{- content }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""

LLAMA31 = r"""{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- The system message #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if message.role in ['user', 'assistant', 'system'] %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- "<|python_tag|>" + message.tool_calls[0] + "<|eom_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

ZEPHYR = r"""{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""


def mistral(user, answer, which):
    """A user's turn, an answer, and which of the user's messages holds the system's."""
    system = user.replace("CONTENT", r"system_message + '\n\n' + message['content']")
    return r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("Roles must alternate") }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and loop.last %}
            {{- "[AVAILABLE_TOOLS] [" + "][/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.WHICH and system_message is defined %}
            {{- SYSTEM }}
        {%- else %}
            {{- USER }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- ANSWER }}
    {%- endif %}
{%- endfor %}
""".replace("WHICH", which).replace("SYSTEM", system).replace("USER", user.replace("CONTENT", 'message["content"]')).replace("ANSWER", answer)


TEMPLATES = [("chatml", CHATML), ("chatml", CHATML_BOS), ("chatml", CHATML_TOOLS), ("chatml", CHATML_VARIABLE), ("qwen3", QWEN3), ("qwen3", QWEN3_LATER), ("llama2", LLAMA2), ("llama3", LLAMA3), ("llama3.1", LLAMA31),
             ("zephyr", ZEPHYR), ("mistral", mistral('" [INST] " + CONTENT + " [/INST]"', "' ' + message['content'] + eos_token", "first")),
             ("mistral-v3", mistral('"[INST] " + CONTENT + "[/INST]"', "' ' + message['content']|trim + eos_token", "last")),
             ("mistral-tekken", mistral('"[INST]" + CONTENT + "[/INST]"', 'message["content"] + eos_token', "last"))]


def chat(*contents, system=None, first="user"):
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    return ([{"role": "system", "content": system}] if system is not None else []) + [
        {"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


CHATS = [chat("Hello"), chat("Hello", system="Be brief."), chat(" \n Hi\u3000there \u00a0", "  Good day.\n ", "\twho?\x1f"),
         chat("Hello", "Good day.", "Who are\nyou?", "A whale", "Why?", system="  Be brief. "), chat("Hello", "Good day.", system="Be brief."),
         chat("", "", ""), chat("line\n\nbreak", "\n\nleading", "2 + 2 = 4"),
         chat("Hello", "Yes") + [{"role": "system", "content": " Now be long. "}] + chat("Go"), chat("a", "b", first="assistant")]

THOUGHTS = [chat("Hello", "<think>\nA greeting.\n\nBe polite.\n</think>\n\nGood day."), chat("a", "<think>\n\n</think>\n\nb", "c", "<think>\nd\n</think>\n\n\ne\n"),
            chat("a", "b</think>c<think>d</think>\ne", "f", "g</think>", "h"), chat("a", "\n\nleading"), chat("a", "<think>\n<think>b\n</think>c\n"),
            chat("a", "b") + [{"role": "assistant", "content": "\nc"}, {"role": "assistant", "content": "<think>d</think>\n\ne"}, {"role": "assistant", "content": "f"}],
            [{"role": "system", "content": "s"}, {"role": "assistant", "content": "<think>t</think>u"}]]
for content, thought in [("\n\nb", "\nc\n"), ("b</think>c", ""), ("b</think>c", "\n"), ("b", "d\n\ne")]:
    answered = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content, "reasoning_content": thought}]
    THOUGHTS += [answered, answered + [{"role": "assistant", "content": "e"}], answered + chat("f")]


def tokenizer_of(name, more):
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizers" / name / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in more])
    config = json.loads((HERE / "tokenizers" / name / "tokenizer_config.json").read_text())
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=config["bos_token"], eos_token=config["eos_token"])


TOKENIZERS = {"chatml": ("smollm2", ["<|im_start|>", "<|im_end|>"]), "qwen3": ("qwen2", ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]), "llama2": ("sentencepiece", []), "mistral": ("sentencepiece", []), "zephyr": ("metaspace", []),
              "llama3": ("llama3", ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])}


def rendered(tokenizer, template, messages, opened):
    try:
        return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=opened)
    except Exception as error:  # jinja2's TemplateError
        assert "alternate" in str(error), error
        return None


def ids_of(form, template, messages, opened):
    """The ids of a chat, and which are answers: those that reach into what the assistant says, the end of its turn with it."""
    name, more = TOKENIZERS[form]
    tokenizer = tokenizer_of(name, more)
    text = rendered(tokenizer, template, messages, opened)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    assert encoded["input_ids"] == tokenizer.apply_chat_template(messages, chat_template=template, add_generation_prompt=opened)["input_ids"]
    spans = []
    if form == "qwen3":  # a chat's beginning is not said as it is said alone: only the last answer has thoughts
        spans = [(found.end(1), found.end()) for found in re.finditer(r"(<\|im_start\|>assistant\n).*?<\|im_end\|>", text, re.DOTALL)]
    for i, message in enumerate(messages):
        if message["role"] == "assistant" and form != "qwen3":
            begin = len(rendered(tokenizer, template, messages[:i], True))
            spans.append((begin, len(rendered(tokenizer, template, messages[:i + 1], False).rstrip("\n"))))
    answer = [any(begin < last and end > first for first, last in spans) for begin, end in encoded["offset_mapping"]]
    return {"tokenizer": name, "more": more, "ids": encoded["input_ids"], "answer": "".join(str(int(one)) for one in answer)}


def cases(form, template):
    tokenizer = tokenizer_of("sentencepiece", [])
    for messages in CHATS + (THOUGHTS if form == "qwen3" else []):
        if form.startswith("mistral-") and messages[0]["role"] == "system" and messages[-1]["role"] == "assistant":
            continue  # these templates then lose the system's message
        for opened in (False, True):
            text = rendered(tokenizer, template, messages, opened)
            if text is not None and opened and form not in ("chatml", "qwen3", "llama3", "llama3.1", "zephyr") and messages[-1]["role"] == "assistant":
                continue  # where these templates open nothing
            case = {"messages": messages, "open": opened, "text": text}
            spelled = any("reasoning_content" in message and "</think>" in message["content"] for message in messages)  # is text in ours
            if text is not None and form in TOKENIZERS and template != CHATML_BOS and messages[0]["role"] != "assistant" and not spelled:
                case |= ids_of(form, template, messages, opened)
            yield case


def main():
    made = [{"form": form, "template": template, "cases": list(cases(form, template))} for form, template in TEMPLATES]
    forms = []
    for one in made:
        lines = ",\n".join(json.dumps(case) for case in one["cases"])
        forms.append(json.dumps({"form": one["form"], "template": one["template"]})[:-1] + f', "cases": [\n{lines}]}}')
    (HERE / "chat.json").write_text("[" + ",\n".join(forms) + "]\n")


if __name__ == "__main__":
    main()
