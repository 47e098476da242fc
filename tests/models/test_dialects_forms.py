"""The five dialects: instructions, arguments, messages back, and the corners of each form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from terret.errors import ConfigError
from terret.models import Action, FormatError, Message, Reply, ToolCall, ToolSpec, dialect
from terret.models.dialects import DIALECTS, REASONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "dialects.md"

EDIT = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "old": {"type": "string"}, "new": {"type": "string"}},
    "required": ["path", "old", "new"],
    "additionalProperties": False,
}
FILE = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path", "content"],
    "additionalProperties": False,
}


def spec(name, required=(), **properties):
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ToolSpec(name, f"Does {name}.", schema)


APPLY = spec("apply", edits={"type": "array", "items": EDIT}, files={"type": "array", "items": FILE})
TOOLS = (
    spec(
        "look",
        ["path"],
        path={"type": "string", "description": "Where to look.", "minLength": 1},
        lines={"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
        share={"type": "number"},
        deep={"type": "boolean"},
        kind={"enum": ["file", "dir", None]},
        names={"type": "array", "items": {"type": "string"}, "minItems": 1},
        since={"anyOf": [{"type": "string"}, {"type": "integer"}]},
        note={"type": ["string", "null"]},
        version={"const": 1},
    ),
    spec("run", ["command"], command={"type": "string"}),
    spec("rest"),
    APPLY,
    spec("declare_complete", ["summary"], summary={"type": "string"}),
)


def native(name, arguments, call_id="c1"):
    return Reply("", "tool_calls", (ToolCall(call_id, name, arguments),))


def parse(name, text, finish="stop", default_path=None, tools=TOOLS):
    return dialect(name, default_path=default_path).parse(Reply(text, finish), tools)


# all of them


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_answers_to_its_name(name):
    assert dialect(name).name == name


def test_an_unknown_dialect_names_the_known_ones():
    with pytest.raises(ConfigError, match="tools, json, bash, edit, file"):
        dialect("yaml")


@pytest.mark.parametrize("name", DIALECTS)
def test_only_native_calls_send_tools_with_the_request(name):
    assert dialect(name).request_tools(TOOLS) == (TOOLS if name == "tools" else ())


@pytest.mark.parametrize("name", DIALECTS)
def test_a_remark_is_a_user_message(name):
    assert dialect(name).feedback(None, "again, please") == Message("user", "again, please")


def test_the_documentation_explains_every_reason():
    rows = re.findall(r"^\| `(\w+)` \| (F_\w+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == REASONS


def test_half_a_surrogate_pair_is_refused_and_the_refusal_can_be_stored():
    for name in DIALECTS:
        found = parse(name, "```json\n{} \ud83d\n```")
        assert isinstance(found, FormatError)
        assert found.reason == "bad_unicode"
        (found.message + found.excerpt).encode()


# arguments


@pytest.mark.parametrize(
    ("args", "reason", "says"),
    [
        ("{}", "missing_argument", "look: argument path (string) is missing"),
        ('{"path": 3}', "wrong_type", "path must be string, not 3"),
        ('{"path": ""}', "wrong_type", "path must not be empty"),
        ('{"path": "a", "lines": 1.5}', "wrong_type", "lines must be integer, not 1.5"),
        ('{"path": "a", "lines": true}', "wrong_type", "lines must be integer, not true"),
        ('{"path": "a", "lines": null}', "wrong_type", "lines must be integer, not null"),
        ('{"path": "a", "lines": 0}', "not_allowed", "lines must be at least 1, not 0"),
        ('{"path": "a", "lines": 51}', "not_allowed", "lines must be at most 50, not 51"),
        ('{"path": "a", "deep": "yes"}', "wrong_type", 'deep must be boolean, not "yes"'),
        ('{"path": "a", "kind": "link"}', "not_allowed", 'kind must be one of "file", "dir", null, not "link"'),
        ('{"path": "a", "names": "b"}', "wrong_type", 'names must be array of string, not "b"'),
        ('{"path": "a", "names": ["b", 2]}', "wrong_type", "names[1] must be string, not 2"),
        ('{"path": "a", "names": []}', "wrong_type", "names must have at least 1 items"),
        ('{"path": "a", "since": []}', "wrong_type", "since must be string or integer, not an array"),
        ('{"path": "a", "note": 1}', "wrong_type", "note must be string or null, not 1"),
        ('{"path": "a", "version": 2}', "not_allowed", "version must be 1, not 2"),
        ('{"path": "a", "version": true}', "not_allowed", "version must be 1, not true"),
        ('{"path": "a", "depth": 2}', "unknown_argument", "depth does not exist; the arguments are path, lines"),
        ('["a"]', "arguments_not_object", "must be a JSON object, not an array"),
        ('"{\\"path\\": \\"a\\"}"', "arguments_not_object", "must be a JSON object"),
        ('{"path": "a"', "arguments_invalid", "line 1, column 13: the JSON ends too early"),
        ('{"path": "a", "path": "b"}', "arguments_invalid", "'path' occurs twice"),
        ('{"path": "a", "share": NaN}', "arguments_invalid", "NaN is not JSON"),
        ('{"path": "a", "share": 1e999}', "arguments_invalid", "out of range"),
        ('{"path": "a", "lines": 99999999999999999999}', "arguments_invalid", "64 bits"),
        ('{"path": "a", "lines": ' + "9" * 5000 + "}", "arguments_invalid", "too many digits"),
        ('{"path": "\\ud800"}', "arguments_invalid", "surrogate"),
        ('{"path": "a\\x"}', "arguments_invalid", "backslash"),
        ('{"path": None}', "arguments_invalid", "write true, false and null"),
        ('{"path": "a}', "arguments_invalid", "is not closed"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(args, reason, says):
    found = dialect("tools").parse(native("look", args), TOOLS)
    assert isinstance(found, FormatError)
    assert (found.reason, found.code) == (reason, "F_tool")
    assert says in found.message
    assert found.message.startswith("look: ")


def test_arguments_that_fit_come_back_as_given():
    args = (
        '{"path": "a", "lines": 2.0, "share": 1, "deep": false, "kind": null, "names": ["b"], "since": 3, "note": null}'
    )
    found = dialect("tools").parse(native("look", args), TOOLS)
    expected = {
        "path": "a", "lines": 2, "share": 1, "deep": False, "kind": None, "names": ["b"], "since": 3, "note": None
    }  # fmt: skip
    assert found == (Action("look", expected, "c1"),)
    assert isinstance(found[0].args["lines"], int)


def test_nested_objects_are_checked_with_their_place():
    found = dialect("tools").parse(native("apply", '{"files": [{"path": "a"}]}'), TOOLS)
    assert isinstance(found, FormatError)
    assert found.message == "apply: argument files[0].content (string) is missing"


def test_a_call_that_is_nested_too_deep_is_refused():
    for depth in (65, 5000, 200_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            found = parse(
                "json", '```json\n{"tool": "x", "args": ' + opening * depth + "1" + closing * depth + "}\n```"
            )
            assert isinstance(found, FormatError)
            assert found.reason == "too_deep"


# tools


def test_several_native_calls_keep_their_order_and_ids():
    reply = Reply("", "tool_calls", (ToolCall("a", "rest", ""), ToolCall("b", "run", '{"command": "ls"}')))
    assert dialect("tools").parse(reply, TOOLS) == (Action("rest", {}, "a"), Action("run", {"command": "ls"}, "b"))


def test_one_wrong_call_of_several_refuses_all_and_is_numbered():
    reply = Reply("", "tool_calls", (ToolCall("a", "rest", "{}"), ToolCall("b", "runs", "{}")))
    found = dialect("tools").parse(reply, TOOLS)
    assert isinstance(found, FormatError)
    assert found.message.startswith('call 2: there is no tool "runs", did you mean run?')
    text = '<tool_call>{"name": "rest"}</tool_call><tool_call>{"name": "run", "arguments": {}}</tool_call>'
    found = parse("tools", text)
    assert isinstance(found, FormatError)
    assert found.reason == "missing_argument"


def test_calls_written_as_text_get_their_result_as_text():
    found = parse("tools", 'Both.\n<tool_call>{"name": "rest"}</tool_call>\n<tool_call>{"name": "rest"}</tool_call>')
    assert found == (Action("rest", {}), Action("rest", {}))
    assert dialect("tools").feedback(found[0], "ok").role == "user"


def test_a_native_call_gets_a_tool_message():
    (action,) = dialect("tools").parse(native("rest", "{}", "call_7"), TOOLS)
    assert dialect("tools").feedback(action, "ok") == Message("tool", "ok", tool_call_id="call_7")


def test_a_json_answer_that_is_no_call_is_not_taken_for_one():
    found = parse("tools", 'The file holds ```json\n{"name": "rest"}\n```')
    assert isinstance(found, FormatError)
    assert found.reason == "no_tool_call"


# json


def test_the_instructions_list_every_tool_and_argument():
    text = dialect("json").instructions(TOOLS)
    assert "- look: Does look." in text
    assert "    path (string): Where to look." in text
    assert "    lines? (integer, default 10)" in text
    assert "    names? (array of string)" in text
    assert "- declare_complete" in text


def test_arguments_may_be_left_out_of_a_call_that_needs_none():
    assert parse("json", '```json\n{"tool": "rest"}\n```') == (Action("rest", {}),)


def test_a_bare_object_is_the_whole_reply_or_nothing():
    found = parse("json", '{"tool": "rest"}\nThat was it.')
    assert isinstance(found, FormatError)
    assert found.message.endswith("line 2, column 1: more text after the JSON value")


def test_an_empty_block_is_named():
    found = parse("json", "```json\n\n```")
    assert isinstance(found, FormatError)
    assert found.reason == "empty_block"


# bash


@pytest.mark.parametrize(
    "script", ["submit_form.sh", "git submit", "echo 'submit'", "cat <<EOF\nsubmit\nEOF", "./submit && ls"]
)
def test_a_command_that_only_mentions_submit_is_run(script):
    assert parse("bash", f"```bash\n{script}\n```") == (Action("run", {"command": script}),)


@pytest.mark.parametrize("script", ["ls\nsubmit", "submit && ls", "make test; submit", "make || submit"])
def test_submit_must_stand_alone(script):
    found = parse("bash", f"```bash\n{script}\n```")
    assert isinstance(found, FormatError)
    assert (found.reason, found.code) == ("submit_not_alone", "F_tool")


def test_a_script_of_comments_is_empty():
    found = parse("bash", "```bash\n# nothing to do\n```")
    assert isinstance(found, FormatError)
    assert found.reason == "empty_block"


def test_where_there_is_no_shell_the_refusal_names_the_tools_there_are():
    found = parse("bash", "```bash\nls\n```", tools=TOOLS[:1])
    assert isinstance(found, FormatError)
    assert (found.reason, found.code) == ("unknown_tool", "F_tool")
    assert "tools: look" in found.message


# edit


def blocks(*parts):
    return "\n".join(f"{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE" for path, old, new in parts)


def test_several_blocks_in_several_files_become_one_action():
    text = blocks(("a.py", "1\n", "2\n"), ("", "3\n", ""), ("lib/b.js", "", "new\n"))
    (action,) = parse("edit", f"Three places.\n{text}\nDone.")
    assert action == Action(
        "apply",
        {
            "edits": [
                {"path": "a.py", "old": "1\n", "new": "2\n"},
                {"path": "a.py", "old": "3\n", "new": ""},
                {"path": "lib/b.js", "old": "", "new": "new\n"},
            ]
        },
    )


def test_a_block_after_prose_does_not_inherit_a_path():
    found = parse("edit", blocks(("a.py", "1\n", "2\n"), ("And then this:", "3\n", "4\n")))
    assert isinstance(found, FormatError)
    assert found.reason == "no_path"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.py\n>>>>>>> REPLACE", "line 2"),
        ("a.py\n<<<<<<< SEARCH\n<<<<<<< SEARCH\n", "line 3"),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE", "line 6: a second ======="),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\n<<<<<<< SEARCH\n", "line 6"),
        ("a.py\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> REPLACE", "line 2"),
        ("a.py\n<<<<<<< SEARCH a.py\na\n=======\nb\n>>>>>>> REPLACE", "line 2"),
        ("a.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>>> REPLACE", "line 6"),
    ],
)
def test_a_malformed_marker_is_named_by_line(text, says):
    found = parse("edit", text)
    assert isinstance(found, FormatError)
    assert found.reason == "malformed_markers"
    assert says in found.message


def test_an_empty_block_changes_nothing_and_is_refused():
    found = parse("edit", blocks(("a.py", "", "")))
    assert isinstance(found, FormatError)
    assert found.reason == "empty_block"


def test_a_conflict_in_a_file_can_be_edited():
    old = "<<<<<<< HEAD\nx = 1\n"
    (action,) = parse("edit", blocks(("a.py", old, "x = 2\n")))
    assert action.args["edits"][0]["old"] == old


def test_a_placeholder_that_was_there_before_may_stay():
    line = "# ... the rest is omitted ...\n"
    assert not isinstance(parse("edit", blocks(("a.py", line + "x\n", line + "y\n"))), FormatError)


def test_a_cut_off_block_is_truncated():
    found = parse("edit", "a.py\n<<<<<<< SEARCH\na\n=======\nb", "length")
    assert isinstance(found, FormatError)
    assert found.reason == "truncated"


def test_instructions_for_one_file_name_it_and_offer_no_calls():
    text = dialect("edit", default_path="src/a.py").instructions(())
    assert "src/a.py\n<<<<<<< SEARCH" in text
    assert "json" not in text
    assert "- look" in dialect("edit").instructions(TOOLS)
    assert "- apply" not in dialect("edit").instructions(TOOLS)


# file


def test_several_files_become_one_action():
    (action,) = parse("file", "a.py\n```\nx\n```\nand `src/b.c`:\n`src/b.c`\n~~~c\ny\n~~~\n")
    assert action.args == {"files": [{"path": "a.py", "content": "x\n"}, {"path": "src/b.c", "content": "y\n"}]}


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("a.py\n```\nx\n```\na.py\n```\ny\n```", None, "duplicate_path"),
        ("a.py\n```\nx\n```\nmore:\n```python\ny\n```", None, "no_path"),
        ("```python\nx\n```\n```python\ny\n```", "a.py", "several_blocks"),
        ("```\nx\n```\n```python\ny\n```", "a.py", "several_blocks"),
        ("a.py\n```\n\n```", None, "empty_block"),
        ("a.py\n```\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```", None, "diff_not_file"),
        ("I would swap the arguments.", "a.py", "no_block"),
        ("x = 1\n", "a.py", "unfenced_code"),
    ],
)
def test_a_reply_that_is_no_file_is_refused(text, path, reason):
    found = parse("file", text, default_path=path)
    assert isinstance(found, FormatError)
    assert (found.reason, found.code) == (reason, "F_model")


@pytest.mark.parametrize(
    "line",
    [
        "# ...",
        "// ... existing code ...",
        "    # rest of the code remains the same",
        "/* ... other methods unchanged ... */",
        "<!-- ... -->",
        "... (rest unchanged)",
        "[... rest of the file ...]",
        "# … unchanged …",
        "# The rest of the function remains unchanged",
        "# (rest of the code)",
        "# Your existing code here",
    ],
)
def test_left_out_code_is_noticed(line):
    found = parse("file", f"a.py\n```\nx = 1\n{line}\n```")
    assert isinstance(found, FormatError)
    assert found.reason == "elided"
    assert "line 4" in found.message


@pytest.mark.parametrize(
    "line",
    [
        "...",
        "    ...",
        "# Other methods",
        "# wait... then retry",
        "print('... unchanged')",
        "# the existing code path is kept for callers",
        "x[..., 0]",
        "# rest",
        "[...args]",
        "  ...rest,",
        "// the previous implementation was slow",
    ],
)
def test_honest_lines_are_not_taken_for_placeholders(line):
    assert not isinstance(parse("file", f"a.py\n```\nx = 1\n{line}\n```"), FormatError)


@pytest.mark.parametrize(
    "line",
    [
        "a.py",
        "`a.py`",
        "**a.py**",
        "### a.py",
        "# a.py",
        "File: a.py",
        "**File: `a.py`**",
        "1. a.py:",
        "./a.py",
        "// a.py",
    ],
)
def test_a_path_line_may_be_decorated(line):
    (action,) = parse("file", f"{line}\n```\nx\n```")
    assert action.args["files"][0]["path"] == "a.py"


@pytest.mark.parametrize("line", ["the file", "def f():", "e.g.", "see a.py for it", "x = a.py", "a.py, b.py", "9"])
def test_other_lines_are_no_paths(line):
    found = parse("file", f"{line}\n```\nx\n```")
    assert isinstance(found, FormatError)
    assert found.reason == "no_path"


def test_a_longer_outer_fence_holds_inner_ones():
    (action,) = parse("file", "README.md\n````markdown\n# Use\n```bash\nmake\n```\n````")
    assert action.args["files"] == [{"path": "README.md", "content": "# Use\n```bash\nmake\n```\n"}]


def test_a_patch_file_may_hold_a_patch():
    assert not isinstance(parse("file", "fix.patch\n```diff\n@@ -1 +1 @@\n-a\n+b\n```"), FormatError)


def test_a_json_file_is_a_file_and_no_call():
    (action,) = parse("file", 'tool.json\n```json\n{"tool": "rest"}\n```')
    assert action.tool == "apply"
    found = parse("file", '```json\n{"tool": "rest"}\n```', default_path="tool.json", tools=(APPLY,))
    assert found[0].tool == "apply"
