"""The tools that look, run and report, and the way long results are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.runtime import net_tools
from terret.tools import condense, registry, syntax_note

ROOT = Path(__file__).parents[2]
HANDLE = "ab" * 32


# list_files


def test_a_listing_marks_folders(world):
    for path in ("b/x.py", "b/c/y.py", "a.py"):
        world.put(path, "")
    assert world.use("list_files").text == "a.py\nb/\nb/c/\nb/x.py"
    assert world.use("list_files", path="./b/", depth=1).text == "b/c/\nb/x.py"


def test_a_long_listing_is_cut_and_says_how_to_go_on(world):
    for number in range(400):
        world.put(f"f{number:03}", "")
    lines = world.use("list_files").text.split("\n")
    assert len(lines) == 301
    assert lines[-1] == "[100 more; list a subfolder or a smaller depth]"


def test_an_empty_folder_and_a_bad_depth(world):
    assert world.use("list_files").text == ". is empty"
    assert world.fails("list_files", depth=0).kind == "bad_range"


# read_file


def test_lines_come_numbered(world):
    world.put("a.py", "".join(f"x{number}\n" for number in range(1, 13)))
    assert world.use("read_file", path="a.py", start=8, end=10).text == "a.py, lines 8-10 of 12:\n 8|x8\n 9|x9\n10|x10"
    assert world.use("read_file", path="a.py", start=12).text == "a.py, lines 12-12 of 12:\n12|x12"
    assert world.use("read_file", path="a.py", end=99).text.startswith("a.py, lines 1-12 of 12:")


def test_a_long_file_comes_in_pages_that_join(world):
    world.put("a.py", "".join(f"line number {number}\n" for number in range(1, 1001)))
    seen, start = [], 1
    while start:
        text = world.use("read_file", path="a.py", start=start).text
        assert len(text) < 8000
        seen += text.split("\n")[1:]
        more = re.search(r"read on with start=(\d+)", text)
        start = int(more[1]) if more else 0
    assert [line.partition("|")[2] for line in seen] == [f"line number {number}" for number in range(1, 1001)]


def test_very_long_lines_are_cut(world):
    world.put("a.js", "x" * 5000 + "\ny\n")
    text = world.use("read_file", path="a.js").text
    assert "[... 4000 more characters]" in text
    assert text.endswith("2|y")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"start": 0}, "counted from 1"),
        ({"start": 4}, "a.py has 3 lines"),
        ({"start": 3, "end": 2}, "end=2 is before start=3"),
        ({"end": -1}, "leave end out"),
    ],
)
def test_a_bad_range_says_what_there_is(world, args, says):
    world.put("a.py", "1\n2\n3\n")
    failure = world.fails("read_file", path="a.py", **args)
    assert failure.kind == "bad_range"
    assert says in failure.message


def test_what_is_not_utf8_is_shown_with_replacements(world):
    world.files["a.txt"] = b"caf\xe9\n"
    text = world.use("read_file", path="a.txt").text
    assert text.startswith("a.txt, lines 1-1 of 1:\n1|caf\ufffd\n[not UTF-8")


def test_binary_and_empty_files(world):
    world.files.update({"a.bin": b"\x7fELF\0\0", "b.txt": b""})
    assert world.fails("read_file", path="a.bin").kind == "not_text"
    assert world.use("read_file", path="b.txt").text == "b.txt is empty"


def test_a_misspelt_path_is_answered_with_the_right_one(world):
    world.put("src/slots/merge.py", "")
    assert "did you mean src/slots/merge.py?" in world.fails("read_file", path="src/slot/merge.py").message
    assert "did you mean" not in world.fails("read_file", path="something/else").message


# search


def test_hits_are_passed_on_and_limited(
    world,
):
    world.done.output = "".join(f"a.py:{number}:x\n" for number in range(150)).encode()
    lines = world.use("search", pattern="x", glob="*.py").text.split("\n")
    assert world.calls == [("search", "x", ".", "*.py", 100)]
    assert (len(lines), lines[0]) == (101, "a.py:0:x")
    assert lines[-1] == "[50 more lines; narrow the pattern, path or glob]"


def test_no_hit_is_no_failure(world):
    world.done.exit_code = 1
    result = world.use("search", pattern="x+", path="src", glob="*.c")
    assert result.ok
    assert result.text == "nothing matches 'x+' in src (*.c)"


@pytest.mark.parametrize(
    ("output", "code", "status", "kind"),
    [
        (b"rg: regex parse error:\n    (\n    ^\nerror: unclosed group", 2, "ok", "bad_pattern"),
        (b"rg: nope: No such file or directory (os error 2)", 2, "ok", "missing"),
        (b"bash: rg: command not found", 127, "ok", "unavailable"),
        (b"", None, "timeout", "timeout"),
    ],
)
def test_a_search_that_fails_says_why(world, output, code, status, kind):
    world.done.output, world.done.exit_code, world.done.status = output, code, status
    failure = world.fails("search", pattern="(")
    assert failure.kind == kind
    assert "\n" not in failure.message


def test_a_pattern_must_be_one(world):
    assert world.fails("search", pattern="").kind == "bad_pattern"
    assert world.fails("search", pattern="a\0b").kind == "bad_pattern"


# run


def test_a_command_s_result_begins_with_its_exit_code(world):
    world.done.output = b"\x1b[32m2 passed\x1b[0m\r\n"
    result = world.use("run", command="make test", timeout_s=5)
    assert (result.ok, result.text, result.failure) == (True, "exit code 0\n2 passed", None)
    assert world.calls == [("run", "make test", 5)]


def test_a_failing_command_is_a_failed_observation(world):
    world.done.exit_code = 2
    result = world.use("run", command="false")
    assert (result.ok, result.text) == (False, "exit code 2\n(no output)")
    assert result.failure == {"type": "exit_code", "detail": "exit code 2"}


@pytest.mark.parametrize("status", ["timeout", "memory", "cpu", "pids", "disk", "output", "killed"])
def test_a_stopped_command_says_what_stopped_it(world, status):
    world.done.status, world.done.exit_code, world.done.output = status, None, b"so far"
    result = world.use("run", command="x")
    assert not result.ok
    assert result.failure["type"] == status
    assert result.text.startswith(f"stopped ({status}): ")
    assert result.text.endswith("\nso far")


def test_after_too_much_memory_the_agent_learns_how_much_it_was(world):
    world.done.status, world.done.exit_code, world.done.peak_kb = "memory", None, 300 * 1024
    assert "too much memory (it had 300 MB); handle the data piece by piece" in world.use("run", command="x").text


def test_cut_output_is_said_to_be_cut(world):
    world.done.output, world.done.truncated, world.done.total_bytes = b"abc", True, 9000
    assert world.use("run", command="x").text.endswith("[only 3 of 9000 bytes of output were kept]")


def test_overwritten_progress_and_undecodable_bytes(world):
    world.done.output = b" 10%\r 50%\r100%\nna\xefve\n\x1b]0;title\x07end"
    assert world.use("run", command="x").text == "exit code 0\n100%\nna\ufffdve\nend"


@pytest.mark.parametrize("args", [{"command": " "}, {"command": "a\0b"}, {"command": "x", "timeout_s": 0}])
def test_a_senseless_command_is_refused(world, args):
    assert world.fails("run", **args).kind == "bad_arguments"
    assert world.calls == []


# read_output and condense


def test_the_rest_of_a_long_result_can_be_read(world):
    full = "".join(f"line {number}\n" for number in range(1, 2001))
    short, cut = condense(full, 2000, handle=HANDLE)
    assert cut
    assert len(short) <= 2000
    notice = re.search(r"\[\.\.\. (\d+) lines / (\d+) bytes left out; read_output\(\"(\w+)\", start=(\d+)\)", short)
    lines, size, handle, start = int(notice[1]), int(notice[2]), notice[3], int(notice[4])
    head, _, tail = short.partition(notice[0])
    assert lines + head.strip().count("\n") + 1 + tail.partition("\n")[2].strip().count("\n") + 1 == 2000
    assert size < len(full)
    world.blobs[handle] = full
    assert f"\n{start}|line {start}\n" in world.use("read_output", handle=handle, start=start, end=start + 900).text
    assert head.strip().endswith(f"line {start - 1}")
    assert world.use("read_output", handle=f"sha256:{handle}").text.startswith("output, lines 1-250 of 2000;")


@pytest.mark.parametrize("handle", ["", "x", "../../etc/passwd", HANDLE])
def test_an_unknown_handle_is_a_failure(world, handle):
    assert world.fails("read_output", handle=handle).kind == "no_output"


def test_a_short_text_stays_whole():
    assert condense("abc\n", 4) == ("abc\n", False)


@given(text=st.text("ab\n\u00e9\ud800", max_size=400), limit=st.integers(0, 300))
def test_a_condensed_text_keeps_beginning_and_end_within_the_limit(text, limit):
    short, cut = condense(text, limit)
    assert cut == (len(text) > limit)
    if not cut:
        assert short == text
        return
    found = re.search(r"\n\[\.\.\. (\d+) lines / (\d+) bytes left out \.\.\.\]\n", short)
    assert len(short) <= max(limit, len(found[0]) + 12)
    head, tail = short[: found.start()], short[found.end() :]
    assert text.startswith(head)
    assert text.endswith(tail)
    dropped = text[len(head) : len(text) - len(tail)]
    assert (int(found[1]), int(found[2])) == (dropped.count("\n"), len(dropped.encode("utf-8", "replace")))


# the agent's own record


def test_only_what_is_given_changes_the_state(world):
    world.state["hypothesis"] = "old"
    assert (
        world.use("update_task_state", next_steps=["fix"], open_questions=[]).text
        == "noted: open_questions, next_steps"
    )
    assert world.state == {"hypothesis": "old", "next_steps": ["fix"], "open_questions": []}
    assert world.fails("update_task_state").kind == "nothing_given"


def test_the_diff_is_shown_as_it_is(world):
    assert world.use("inspect_diff").text == "nothing is changed yet"
    world.patch = "diff --git a/a b/a\n"
    assert world.use("inspect_diff").text == "diff --git a/a b/a"


def test_a_declaration_is_accepted_or_refused_with_reasons(world):
    assert world.use("declare_complete", summary="done").text == "accepted"
    world.refusals = ["no test was run", "R2 is not covered"]
    result = world.use("declare_complete", summary="done")
    assert (result.ok, result.text) == (False, "not accepted:\n- no test was run\n- R2 is not covered")
    assert result.failure == {"type": "refused", "detail": "no test was run; R2 is not covered"}
    assert world.fails("declare_complete", summary=" ").kind == "bad_arguments"


# the set of tools


def test_the_registry_holds_the_documented_tools():
    documented = re.findall(r"^\| `(\w+)\(", (ROOT / "docs" / "tools.md").read_text("utf-8"), re.MULTILINE)
    # Only tasks that name hosts have the tools of the network.
    assert [name for name in documented if name not in net_tools()] == list(registry())
    assert set(net_tools()) <= set(documented)
    for tool in registry().values():
        assert tool.spec.parameters["additionalProperties"] is False
        assert all(member["description"] for member in tool.spec.parameters["properties"].values())


def test_every_kind_of_failure_is_documented():
    text = (ROOT / "docs" / "tools.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    raised = set()
    for module in (ROOT / "src" / "terret" / "tools").glob("*.py"):
        raised |= set(re.findall(r'ToolFailure\(\s*"(\w+)"', module.read_text("utf-8")))
    assert raised
    assert raised <= documented


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("a.py", "def f(:\n", "a.py does not parse: line 1: "),
        ("a.py", "x = 1\n  y = 2\n", "line 2: unexpected indent"),
        ("a.py", "x\0", "a.py does not parse: "),
        ("a.json", '{"a": 1,}', "line 1"),
        ("a.yml", "a: 1\nb: [\n", "line "),
        ("a.yaml", "a: \x07", "a.yaml does not parse: "),
    ],
)
def test_a_broken_file_is_noted_with_its_line(path, text, says):
    assert says in syntax_note(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", 'x = "\\d"\n'),
        ("a.py", "-" * 50_000 + "1"),
        ("a.json", "[" * 100_000),
        ("tsconfig.json", "{} // fine"),
        ("a.yaml", "a: !custom {b: *c}\n---\nd: 1\n"),
        ("a.js", "{{{"),
        ("a.py", ")" * 600_000),
    ],
)
def test_what_parses_or_cannot_be_judged_is_not_noted(path, text):
    assert syntax_note(path, text) is None
