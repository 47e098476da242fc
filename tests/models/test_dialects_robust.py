"""Whatever a model writes, parsing ends quickly in actions or in a refusal that can be stored and sent."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from terret.models import Action, FormatError, Reply, ToolCall, ToolSpec, dialect
from terret.models.dialects import DIALECTS, REASONS

STRING = {"type": "string"}
TOOLS = (
    ToolSpec("run", "Run.", {"type": "object", "properties": {"command": STRING}, "required": ["command"]}),
    ToolSpec("apply", "Change.", {"type": "object", "properties": {"edits": {"type": "array"}, "files": {}}}),
    ToolSpec("declare_complete", "End.", {"type": "object", "properties": {"summary": STRING}}),
)

PIECES = [
    "```", "````", "~~~", "```json", "```bash\n", "```python a.py", "\n", "\n\n", "a.py", "`src/b.js`:", "# ...", "   ",
    "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "<<<<", "<tool_call>", "</tool_call>", "<think>", "</think>",
    '{"tool": "run", "args": {"command": "ls"}}', '{"name": "run", "arguments": {"command": "ls"}}', "{", "}", '"', "[",
    "submit", "@@ -1 +1 @@", "“", "\ud800", "\x00", "\r\n", "\\", "1e999", "x = 1", "def f():", "é", "\u2028",
]  # fmt: skip

TEXTS = st.one_of(
    st.text(st.characters(), max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=14).map("\n".join),
)


def check(found):
    """A refusal is complete and storable; actions are too."""
    if isinstance(found, FormatError):
        assert REASONS[found.reason] == found.code
        assert found.message
        assert len(found.excerpt) <= 240
        (found.message + found.excerpt).encode()
        return
    assert found
    for action in found:
        assert isinstance(action, Action)
        json.dumps(action.args, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("default_path", [None, "src/a.py"])
@given(text=TEXTS, finish=st.sampled_from(["stop", "length", "content_filter"]))
@example(text="<think></think>", finish="stop")
@example(text="\n</think>\n", finish="stop")
def test_any_text_ends_in_actions_or_a_refusal(name, default_path, text, finish):
    check(dialect(name, default_path=default_path).parse(Reply(text, finish), TOOLS))


@given(name=st.text(st.characters(), max_size=40) | st.sampled_from(["run", "apply"]), arguments=TEXTS)
@example(name="run", arguments="[" * 5000)
@example(name="run", arguments='{"command": "\\ud800"}')
def test_any_native_call_ends_in_actions_or_a_refusal(name, arguments):
    check(dialect("tools").parse(Reply("", "tool_calls", (ToolCall("1", name, arguments),)), TOOLS))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(value=JSON, tool=st.sampled_from(["run", "apply", "declare_complete"]))
def test_any_json_arguments_are_checked(value, tool):
    call = json.dumps({"tool": tool, "args": value})
    check(dialect("json").parse(Reply(f"```json\n{call}\n```"), TOOLS))


@given(command=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_well_formed_call_comes_through_unchanged(command):
    call = json.dumps({"tool": "run", "args": {"command": command}})
    found = dialect("json").parse(Reply(f"I run it.\n```json\n{call}\n```\n"), TOOLS)
    assert found == (Action("run", {"command": command}),)


LINES = st.lists(st.text("ab =<>#.`-@", max_size=9), max_size=6).map(lambda lines: "".join(f"{x}\n" for x in lines))


@given(old=LINES, new=LINES)
def test_an_edit_that_is_read_is_read_unchanged(old, new):
    text = f"a.py\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE"
    found = dialect("edit").parse(Reply(text), TOOLS)
    check(found)
    if not isinstance(found, FormatError):
        assert found[0].args == {"edits": [{"path": "a.py", "old": old, "new": new}]}


@given(content=LINES)
def test_a_file_that_is_read_is_read_unchanged(content):
    found = dialect("file").parse(Reply(f"a.py\n``````````\n{content}``````````"), TOOLS)
    check(found)
    if not isinstance(found, FormatError):
        assert found[0].args == {"files": [{"path": "a.py", "content": content}]}


MEGABYTE = 1_000_000
HUGE = {
    "one line": "a" * MEGABYTE,
    "empty lines": "\n" * MEGABYTE,
    "white space": " \t" * (MEGABYTE // 2),
    "backticks": "`" * MEGABYTE,
    "fences": "```\n" * (MEGABYTE // 4),
    "tagged fences": "```json\n" * (MEGABYTE // 8),
    "one block": "a.py\n```json\n" + "x = 1\n" * (MEGABYTE // 6) + "```",
    "brackets": "[" * MEGABYTE,
    "objects": '{"a":' * (MEGABYTE // 5),
    "wide JSON": '```json\n{"tool": "run", "args": {"x": [' + "1," * (MEGABYTE // 2) + "1]}}\n```",
    "a long string": '{"tool": "run", "args": {"command": "' + "a" * MEGABYTE + '"}}',
    "escapes": '{"tool": "run", "args": {"command": "' + "\\n" * (MEGABYTE // 2) + '"}}',
    "open tags": "<tool_call>" * (MEGABYTE // 11),
    "tags": "<tool_call>{}</tool_call>" * (MEGABYTE // 25),
    "thoughts": "<think>" * (MEGABYTE // 7),
    "search markers": "a.py\n<<<<<<< SEARCH\n" * (MEGABYTE // 20),
    "blocks": "a.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n" * (MEGABYTE // 46),
    "one big edit": "a.py\n<<<<<<< SEARCH\n" + "x\n" * (MEGABYTE // 2) + "=======\ny\n>>>>>>> REPLACE",
    "dots": "a.py\n```\n" + "# ....................\n" * (MEGABYTE // 23) + "```",
    "comment words": "a.py\n```\n" + "# rest of the existing the code of\n" * (MEGABYTE // 36) + "```",
    "paths": "src/a.py\n" * (MEGABYTE // 9),
    "one script": "```bash\n" + "; submit x\n" * (MEGABYTE // 11) + "```",
    "a spaced script": "```bash\nls " + ";       " * (MEGABYTE // 8) + "\n```",
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("text", [pytest.param(text, id=case) for case, text in HUGE.items()])
def test_a_megabyte_is_read_within_a_second(name, text):
    started = time.perf_counter()
    check(dialect(name).parse(Reply(text), TOOLS))
    # Twice the promise, for a machine that is busy with other tests.
    assert time.perf_counter() - started < 2
