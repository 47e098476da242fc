"""Replies as small models really write them: each is read as meant, or refused for its own reason."""

from __future__ import annotations

import json

import pytest

from terret.models import FormatError, Reply, ToolCall, ToolSpec, dialect
from terret.models.dialects import REASONS

TOOLS = (
    ToolSpec(
        "read_file",
        "Read a file.",
        {
            "type": "object",
            "properties": {"path": {"type": "string"}, "start": {"type": "integer"}},
            "required": ["path"],
            "additionalProperties": False,
        },
    ),
    ToolSpec(
        "run",
        "Run a command.",
        {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
            "additionalProperties": False,
        },
    ),
    ToolSpec(
        "apply",
        "Change files.",
        {
            "type": "object",
            "properties": {"edits": {"type": "array"}, "files": {"type": "array"}},
            "additionalProperties": False,
        },
    ),
    ToolSpec(
        "declare_complete",
        "End.",
        {
            "type": "object",
            "properties": {"summary": {"type": "string"}},
            "required": ["summary"],
            "additionalProperties": False,
        },
    ),
)

READ = {"tool": "read_file", "args": {"path": "gcd.py"}}
FIXED = "def gcd(a, b):\n    if b == 0:\n        return a\n    return gcd(b, a % b)\n"

REFUSED = [
    # dialect, name of the case, reply, finish, reason, what the message must say
    ("json", "an apology", "I'm sorry, but I can't see the file. Could you share it?", "stop", "no_block", '"tool"'),
    ("json", "two calls", f"```json\n{json.dumps(READ)}\n```\nThen:\n```json\n{json.dumps(READ)}\n```", "stop",
     "several_blocks", "lines 1, 5"),
    ("json", "the call in a python fence", f"Let me look.\n```python\n{json.dumps(READ)}\n```", "stop", "wrong_fence",
     "```python"),
    ("json", "typographic quotes", "```json\n{“tool”: “read_file”, “args”: {“path”: “gcd.py”}}\n```", "stop",
     "json_invalid", "line 1, column 2: typographic quotes"),
    ("json", "Python's dict", "```json\n{'tool': 'read_file', 'args': {'path': 'gcd.py'}}\n```", "stop",
     "json_invalid", "single quotes"),
    ("json", "trailing comma", '```json\n{"tool": "read_file", "args": {"path": "gcd.py",}}\n```', "stop",
     "json_invalid", "line 1, column "),
    ("json", "raw line breaks in code",
     '```json\n{"tool": "run", "args": {"command": "python -c \'\nprint(1)\'"}}\n```',
     "stop", "json_invalid", "write \\n"),
    ("json", "a missing brace", '```json\n{"tool": "read_file", "args": {"path": "gcd.py"}\n```', "stop",
     "json_invalid", "line 2, column 1: the JSON ends too early"),
    ("json", "the keys of another format", '```json\n{"name": "read_file", "arguments": {"path": "a"}}\n```', "stop",
     "wrong_keys", "name, arguments"),
    ("json", "a list of calls", f"```json\n[{json.dumps(READ)}]\n```", "stop", "not_an_object", "one JSON object"),
    ("json", "an invented tool", '```json\n{"tool": "readfile", "args": {"path": "gcd.py"}}\n```', "stop",
     "unknown_tool", "did you mean read_file?"),
    ("json", "a number as text", '```json\n{"tool": "read_file", "args": {"path": "a", "start": "10"}}\n```', "stop",
     "wrong_type", 'start must be integer, not "10"'),
    ("json", "an invented argument", '```json\n{"tool": "read_file", "args": {"file": "a"}}\n```', "stop",
     "unknown_argument", "the arguments are path, start"),
    ("json", "cut off in the call", 'I will read it.\n```json\n{"tool": "read_file", "args": {"pa', "length",
     "truncated", "line 2"),
    ("json", "endless thought", "<think>\nThe user wants me to look at gcd. First I", "length", "truncated", "cut off"),
    ("tools", "only prose", "I will now read the file gcd.py to find the bug.", "stop", "no_tool_call", "every reply"),
    ("tools", "an unclosed tag", '<tool_call>\n{"name": "read_file", "arguments": {"path": "gcd.py"', "stop",
     "unclosed_tag", "</tool_call>"),
    ("tools", "broken JSON in a tag", '<tool_call>\n{"name": "run", "arguments": {"command": "ls"}}}\n</tool_call>',
     "stop", "json_invalid", "line 2, column 48"),
    ("bash", "a transcript", "```bash\n$ cat gcd.py\ndef gcd(a, b):\n```", "stop", "prompt_sign", "`$ `"),
    ("bash", "a script per step", "First:\n```bash\nls\n```\nSecond:\n```bash\ncat gcd.py\n```", "stop",
     "several_blocks", "lines 2, 6"),
    ("bash", "Python instead of a script", "```python\nprint(open('gcd.py').read())\n```", "stop", "wrong_fence",
     "```python"),
    ("bash", "test and submit at once", "```bash\npython -m pytest && submit\n```", "stop", "submit_not_alone", "only"),
    ("edit", "no divider", f"gcd.py\n<<<<<<< SEARCH\n{FIXED}>>>>>>> REPLACE", "stop", "malformed_markers",
     "line 7: the block that begins in line 2 has no line ======="),
    ("edit", "markers of another length", "gcd.py\n<<<<< SEARCH\na\n=====\nb\n>>>>> REPLACE", "stop",
     "malformed_markers", "line 2"),
    ("edit", "the end forgotten", "gcd.py\n<<<<<<< SEARCH\na\n=======\nb\n```\nThat fixes it.", "stop",
     "malformed_markers", "line 2: this block has no line >>>>>>> REPLACE"),
    ("edit", "no path", "Here is the fix:\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE", "stop",
     "no_path", "line 2"),
    ("edit", "the whole file after all", f"Here is the corrected version:\n\ngcd.py\n```\n{FIXED}```", "stop",
     "no_block", "<<<<<<< SEARCH"),
    ("edit", "the form of a block, unfilled", "Here:\n\ngcd.py\n<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE", "stop",
     "empty_block", "line 4"),
    ("edit", "the function not repeated", "gcd.py\n<<<<<<< SEARCH\na = 1\n=======\na = 2\n# ... rest of the code ...\n"
     ">>>>>>> REPLACE", "stop", "elided", "line 6"),
    ("file", "left out", f"gcd.py\n```python\n{FIXED}\n# ... rest of the file remains unchanged ...\n```", "stop",
     "elided", "line 8"),
    ("file", "a diff", "gcd.py\n```diff\n--- a/gcd.py\n+++ b/gcd.py\n@@ -1,2 +1,2 @@\n-a\n+b\n```", "stop",
     "diff_not_file", "is a diff"),
    ("file", "code without a fence", FIXED, "stop", "unfenced_code", "```"),
    ("file", "no path at all", f"The corrected function:\n```python\n{FIXED}```", "stop", "no_path", "above"),
    ("file", "cut off in the file", f"gcd.py\n```python\n{FIXED[:40]}", "length", "truncated", "line 2"),
    ("file", "a fence never closed", f"gcd.py\n```python\n{FIXED}", "stop", "unclosed_fence", "line 2"),
    ("file", "fences within the file", "README.md\n```markdown\n# Use\n```bash\nmake\n```\nEnjoy.\n```", "stop",
     "nested_fence", "````"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "finish", "reason", "says"),
    [pytest.param(name, *rest, id=f"{name}: {case}") for name, case, *rest in REFUSED],
)
def test_a_malformed_reply_is_refused_for_its_own_reason(name, text, finish, reason, says):
    found = dialect(name).parse(Reply(text, finish), TOOLS)
    assert isinstance(found, FormatError)
    assert (found.reason, found.code) == (reason, REASONS[reason])
    assert says in found.message
    assert "\n\n" not in found.message
    assert len(found.message) < 400
    assert len(found.excerpt) <= 240


CALL = json.dumps(READ)
ARGS = {"path": "gcd.py"}
WHOLE = {"files": [{"path": "gcd.py", "content": FIXED}]}
BLOCK = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE"
CHANGED = {"edits": [{"path": "src/gcd.py", "old": "a\n", "new": "b\n"}]}

ACCEPTED = [
    # dialect, default path, name of the case, reply, tool, args
    ("json", None, "prose on both sides", f"Let me look.\n```json\n{CALL}\n```\nThis will tell.", "read_file", ARGS),
    ("json", None, "the bare object", f"\n{CALL}\n", "read_file", ARGS),
    ("json", None, "a fence without a tag", f"```\n{CALL}\n```", "read_file", ARGS),
    ("json", None, "an illustration beside it", f"```python\nx = 1\n```\n```json\n{CALL}\n```", "read_file", ARGS),
    ("json", None, "reasoning before it", f"<think>\n```json\n{{}}\n```\n</think>\n{CALL}", "read_file", ARGS),
    ("json", None, "reasoning opened by the prompt", f"Hm.\n</think>\n\n{CALL}", "read_file", ARGS),
    ("json", None, "indented in a list", f"1. Read:\n   ```json\n   {CALL}\n   ```", "read_file", ARGS),
    ("json", None, "line ends of Windows", f"```json\r\n{CALL}\r\n```\r\n", "read_file", ARGS),
    ("tools", None, "Qwen's tags", '<tool_call>\n{"name": "read_file", "arguments": {"path": "gcd.py"}}\n</tool_call>',
     "read_file", ARGS),
    ("tools", None, "a tag never closed", 'Ok.\n<tool_call>{"name": "read_file", "arguments": {"path": "gcd.py"}}',
     "read_file", ARGS),
    ("tools", None, "the bare call", '{"name": "read_file", "arguments": {"path": "gcd.py"}}', "read_file", ARGS),
    ("tools", None, "the call in a fence", '```json\n{"name": "read_file", "arguments": {"path": "gcd.py"}}\n```',
     "read_file", ARGS),
    ("bash", None, "sh as tag, prose around", "I look.\n```sh\nls -la\n\ncat gcd.py\n```\nWait.", "run",
     {"command": "ls -la\n\ncat gcd.py"}),
    ("bash", None, "submit", "Everything passes.\n```bash\nsubmit\n```", "declare_complete",
     {"summary": "Everything passes."}),
    ("bash", None, "submit with a summary", '```bash\n# done\nsubmit "gcd swaps"\n```', "declare_complete",
     {"summary": "gcd swaps"}),
    ("bash", None, "echo", "```bash\necho TASK_COMPLETE\n```", "declare_complete", {"summary": "done"}),
    ("edit", None, "a plain block", f"src/gcd.py\n{BLOCK}", "apply", CHANGED),
    ("edit", None, "path above a fence", f"Fix:\n\n**`src/gcd.py`**:\n```python\n{BLOCK}\n```", "apply", CHANGED),
    ("edit", None, "path within the fence", f"```python\nsrc/gcd.py\n{BLOCK}\n```", "apply", CHANGED),
    ("edit", None, "path in the info string", f"```python:src/gcd.py\n{BLOCK}\n```", "apply", CHANGED),
    ("edit", "src/gcd.py", "no path, one file asked for", f"Here:\n{BLOCK}\nDone.", "apply", CHANGED),
    ("edit", "src/gcd.py", "only the file's name", f"gcd.py\n{BLOCK}", "apply", CHANGED),
    ("file", None, "path above", f"### gcd.py\n\n```python\n{FIXED}```\nIt swaps now.", "apply", WHOLE),
    ("file", None, "path in the info string", f"```python title=\"gcd.py\"\n{FIXED}```", "apply", WHOLE),
    ("file", None, "absolute in the workspace", f"File: /workspace/gcd.py\n```\n{FIXED}```", "apply", WHOLE),
    ("file", "gcd.py", "no path, one file asked for", f"The code:\n```python\n{FIXED}```", "apply", WHOLE),
    ("file", "gcd.py", "with the command to test it", f"```python\n{FIXED}```\nRun:\n```bash\npytest\n```", "apply",
     WHOLE),
    ("file", None, "with a call instead of a file", f"```json\n{CALL}\n```", "read_file", ARGS),
    ("edit", None, "with a call instead of a block", f"I must see it.\n```json\n{CALL}\n```", "read_file", ARGS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "path", "text", "tool", "args"),
    [pytest.param(name, path, *rest, id=f"{name}: {case}") for name, path, case, *rest in ACCEPTED],
)
def test_a_reply_in_one_of_its_usual_shapes_is_read(name, path, text, tool, args):
    found = dialect(name, default_path=path).parse(Reply(text), TOOLS)
    assert not isinstance(found, FormatError), found
    assert [(action.tool, action.args) for action in found] == [(tool, args)]


def test_every_reason_in_the_table_is_declared():
    assert {case[4] for case in REFUSED} <= REASONS.keys()


@pytest.mark.parametrize("name", ["tools", "json", "bash", "edit", "file"])
@pytest.mark.parametrize("text", ["", "  \n\n ", "<think>\nhm\n</think>\n"])
def test_an_empty_reply_is_said_to_be_empty(name, text):
    found = dialect(name).parse(Reply(text), TOOLS)
    assert isinstance(found, FormatError)
    assert found.reason == "empty_reply"


def test_a_native_call_that_was_cut_off_is_truncated_not_broken():
    call = ToolCall("1", "run", '{"command": "cat <<EOF')
    cut = dialect("tools").parse(Reply("", "length", (call,)), TOOLS)
    broken = dialect("tools").parse(Reply("", "tool_calls", (call,)), TOOLS)
    assert isinstance(cut, FormatError)
    assert isinstance(broken, FormatError)
    assert (cut.reason, broken.reason) == ("truncated", "arguments_invalid")
    assert (cut.code, broken.code) == ("F_model", "F_tool")
