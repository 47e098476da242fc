"""edit_file, write_file and apply: what they change, what they refuse, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.tools import ToolFailure, preview

GCD = """\
def gcd(a, b):
    if b == 0:
        return a
    else:
        return gcd(a % b, b)


def lcm(a, b):
    return a * b // gcd(a, b)
"""


@pytest.fixture
def repo(world):
    world.put("gcd.py", GCD)
    return world


# edit_file


def test_an_edit_shows_the_changed_place(repo):
    result = repo.use("edit_file", path="gcd.py", old="gcd(a % b, b)", new="gcd(b, a % b)")
    assert repo.text("gcd.py") == GCD.replace("gcd(a % b, b)", "gcd(b, a % b)")
    assert result.ok
    assert result.text == ("edited gcd.py:\n3|        return a\n4|    else:\n5|        return gcd(b, a % b)\n6|\n7|")


def test_deleting_lines_shows_what_is_left(repo):
    result = repo.use("edit_file", path="gcd.py", old="    else:\n        return gcd(a % b, b)\n", new="")
    assert "    else" not in repo.text("gcd.py")
    assert "2|    if b == 0:\n3|        return a" in result.text


def test_a_long_change_is_shown_in_part(repo):
    new = "".join(f"    x{number} = {number}\n" for number in range(100))
    result = repo.use("edit_file", path="gcd.py", old="    else:\n", new=new)
    assert len(result.text.split("\n")) < 40
    assert "lines ...]" in result.text


def test_text_that_is_not_there_is_answered_with_the_nearest_lines(repo):
    failure = repo.fails("edit_file", path="gcd.py", old="    else:\n        return gcd(a%b, b)\n", new="x\n")
    assert failure.kind == "not_found"
    assert failure.message.startswith("gcd.py: the text to replace does not occur in the file. Most similar")
    assert "4|    else:\n5|        return gcd(a % b, b)" in failure.message


def test_a_single_line_with_a_slip_is_found_by_likeness(repo):
    failure = repo.fails("edit_file", path="gcd.py", old="return a * b / gcd(a, b)", new="x")
    assert "9|    return a * b // gcd(a, b)" in failure.message


def test_nothing_alike_is_said_so(repo):
    failure = repo.fails("edit_file", path="gcd.py", old="zzzzzzzzzzzzzzzzz", new="x")
    assert "nor anything like it" in failure.message


def test_copied_line_numbers_are_recognised(repo):
    failure = repo.fails("edit_file", path="gcd.py", old="4|    else:\n5|        return gcd(a % b, b)", new="x")
    assert failure.kind == "not_found"
    assert "holds line numbers" in failure.message


def test_several_occurrences_are_listed_by_line(repo):
    failure = repo.fails("edit_file", path="gcd.py", old="gcd(a", new="x")
    assert failure.kind == "several"
    assert "occurs 3 times (lines 1, 5, 9)" in failure.message


def test_whole_lines_prefer_the_place_where_a_line_begins(world):
    world.put("a.py", "xa = 1\na = 1\n")
    world.use("edit_file", path="a.py", old="a = 1\n", new="a = 2\n")
    assert world.text("a.py") == "xa = 1\na = 2\n"


def test_edit_file_matches_nothing_but_exactly(repo):
    assert repo.fails("edit_file", path="gcd.py", old="else:  \n", new="else:\n").kind == "not_found"


def test_an_edit_that_changes_nothing_is_refused(repo):
    assert repo.fails("edit_file", path="gcd.py", old="return a\n", new="return a\n").kind == "unchanged"


def test_an_empty_old_is_refused(repo):
    assert repo.fails("edit_file", path="gcd.py", old="", new="x").kind == "empty_search"


def test_a_missing_file_is_answered_with_files_of_that_name(world):
    world.put("src/lib/gcd.py", GCD)
    failure = world.fails("edit_file", path="gcd.py", old="a", new="b")
    assert (failure.kind, failure.message) == ("missing", "there is no file gcd.py; did you mean src/lib/gcd.py?")


def test_paths_may_be_absolute_within_the_workspace(repo):
    repo.use("edit_file", path="/workspace/gcd.py", old="def lcm", new="def least")
    assert ("write", "gcd.py") in repo.calls


def test_windows_line_ends_are_matched_and_kept(world):
    world.files["a.txt"] = b"one\r\ntwo\r\nthree\r\n"
    world.use("edit_file", path="a.txt", old="one\ntwo\n", new="1\n2\n2b\n")
    assert world.files["a.txt"] == b"1\r\n2\r\n2b\r\nthree\r\n"


def test_mixed_line_ends_are_left_alone(world):
    world.files["a.txt"] = b"one\r\ntwo\nthree\n"
    world.use("edit_file", path="a.txt", old="two\n", new="2\n")
    assert world.files["a.txt"] == b"one\r\n2\nthree\n"


def test_the_last_line_may_lack_its_line_feed(world):
    world.files["a.txt"] = b"one\ntwo"
    world.use("edit_file", path="a.txt", old="two\n", new="2\n")
    assert world.files["a.txt"] == b"one\n2"


def test_a_file_that_is_not_text_is_not_edited(world):
    world.files["a.txt"] = b"caf\xe9\n"
    failure = world.fails("edit_file", path="a.txt", old="caf", new="x")
    assert failure.kind == "not_text"
    assert "byte 0xe9 at offset 3" in failure.message


@pytest.mark.parametrize(
    ("path", "old", "new", "note"),
    [
        ("a.py", "x = 1", "x = (1", "a.py does not parse: line 1: '(' was never closed"),
        ("a.json", "x = 1", "{,}", "a.json does not parse: line 1"),
        ("a.yaml", "x = 1", "a: [1", "a.yaml does not parse: line "),
    ],
)
def test_an_edit_that_breaks_the_syntax_is_made_and_says_so(world, path, old, new, note):
    world.put(path, "x = 1\n")
    result = world.use("edit_file", path=path, old=old, new=new)
    assert result.ok
    assert f"[note: {note}" in result.text
    assert world.text(path) == new + "\n"


def test_what_authority_refuses_is_passed_on(repo):
    repo.protected.add("gcd.py")
    assert repo.fails("edit_file", path="gcd.py", old="def lcm", new="def x").kind == "denied"


# write_file


def test_a_file_is_created_and_replaced(world):
    assert world.use("write_file", path="src/a.py", content="x = 1\n").text == "created src/a.py (1 lines)"
    assert world.use("write_file", path="src/a.py", content="x = 1\ny = 2\n").text == "replaced src/a.py (2 lines)"
    assert world.text("src/a.py") == "x = 1\ny = 2\n"


def test_writing_the_same_content_is_refused_before_anything_is_written(repo):
    failure = repo.fails("write_file", path="gcd.py", content=GCD)
    assert failure.kind == "unchanged"
    assert ("write", "gcd.py") not in repo.calls


def test_a_rewritten_file_keeps_windows_line_ends(world):
    world.files["a.txt"] = b"one\r\ntwo\r\n"
    world.use("write_file", path="a.txt", content="one\n2\n")
    assert world.files["a.txt"] == b"one\r\n2\r\n"


def test_a_binary_file_may_be_replaced_as_a_whole(world):
    world.files["a.bin"] = b"\xff\x00"
    assert world.use("write_file", path="a.bin", content="x\n").text == "replaced a.bin (1 lines)"


def test_broken_unicode_is_not_written(world):
    assert world.fails("write_file", path="a.txt", content="\ud800").kind == "not_text"


# apply


def edit(path, old, new):
    return {"path": path, "old": old, "new": new}


def test_all_changes_are_made_together(repo):
    result = repo.use(
        "apply",
        edits=[
            edit("gcd.py", "gcd(a % b, b)", "gcd(b, a % b)"),
            edit("gcd.py", "def lcm(a, b):\n", "def lcm(x, y):\n"),
            edit("gcd.py", "    return a * b // gcd(a, b)\n", "    return x * y // gcd(x, y)\n"),
            edit("notes/new.md", "", "# New\n"),
        ],
        files=[{"path": "empty.txt", "content": ""}, {"path": "README.md", "content": "Hello.\n"}],
    )
    assert result.text.split("\n") == [
        "created empty.txt (0 lines)",
        "created README.md (1 lines)",
        "changed gcd.py at line 5",
        "changed gcd.py at line 8",
        "changed gcd.py at line 9",
        "created notes/new.md (1 lines)",
    ]
    assert "def lcm(x, y):\n    return x * y // gcd(x, y)\n" in repo.text("gcd.py")
    assert [call for call in repo.calls if call == ("write", "gcd.py")] == [("write", "gcd.py")]


def test_a_later_edit_sees_what_an_earlier_one_made(world):
    world.put("a.py", "x = 1\n")
    world.use("apply", edits=[edit("a.py", "x = 1\n", "x = 2\n"), edit("a.py", "x = 2\n", "x = 3\n")])
    assert world.text("a.py") == "x = 3\n"


def test_one_failing_block_fails_all_and_is_numbered(repo):
    failure = repo.fails("apply", edits=[edit("gcd.py", "def lcm", "def x"), edit("gcd.py", "def scm", "def y")])
    assert failure.kind == "not_found"
    assert failure.message.startswith("block 2 of 2 (gcd.py): the text to replace does not occur")


@pytest.mark.parametrize(
    ("edits", "files", "kind"),
    [
        ([], [], "nothing_given"),
        ([edit("gcd.py", "def lcm", "def lcm")], [], "unchanged"),
        ([], [{"path": "gcd.py", "content": GCD}], "unchanged"),
        ([edit("no.py", "x", "y")], [], "missing"),
        ([edit("gcd.py", " \n", "y")], [], "empty_search"),
        ([], [{"path": "a", "content": "1"}, {"path": "./a", "content": "2"}], "conflict"),
        ([edit("a", "1", "2")], [{"path": "a", "content": "1"}], "conflict"),
    ],
)
def test_a_set_of_changes_that_makes_no_sense_is_refused(repo, edits, files, kind):
    assert repo.fails("apply", edits=edits, files=files).kind == kind


def test_a_refused_write_takes_the_earlier_ones_back(repo):
    repo.protected.add("z.py")
    files = [{"path": path, "content": "new\n"} for path in ("fresh.py", "gcd.py", "z.py")]
    failure = repo.fails("apply", files=files)
    assert failure.kind == "denied"
    assert failure.message.endswith("nothing was changed")
    assert ("delete", "fresh.py") in repo.calls


def test_only_what_changes_is_written(repo):
    repo.use("apply", files=[{"path": "gcd.py", "content": GCD}, {"path": "a.py", "content": "x = 1\n"}])
    assert ("write", "gcd.py") not in repo.calls


# matching


def apply_to(text, old, new):
    return preview({"f": text}, {"edits": [edit("f", old, new)]})["f"]


def test_trailing_white_space_is_no_obstacle_and_is_declared(world):
    world.put("a.txt", "one  \ntwo\nthree\n")
    result = world.use("apply", edits=[edit("a.txt", "one\ntwo \n", "1\n2\n")])
    assert world.text("a.txt") == "1\n2\nthree\n"
    assert result.text == "changed a.txt at line 1 (matched ignoring trailing white space)"


def test_common_indentation_is_no_obstacle_and_moves_the_replacement(world):
    world.put("a.py", "class A:\n    def f(self):\n        if x:\n            return 1\n")
    old = "if x:\n    return 1\n"
    new = "if y:\n    return 2\n\nreturn 3\n"
    result = world.use("apply", edits=[edit("a.py", old, new)])
    assert world.text("a.py") == (
        "class A:\n    def f(self):\n        if y:\n            return 2\n\n        return 3\n"
    )
    assert result.text == "changed a.py at line 3 (matched ignoring indentation)"


def test_a_block_that_is_indented_too_far_moves_left():
    assert apply_to("if x:\n    y\n", "        if x:\n            y\n", "        if z:\n            y\n") == (
        "if z:\n    y\n"
    )


def test_tabs_take_the_place_of_blanks():
    assert apply_to("\tif x:\n\t    y\n", "if x:\n    y\n", "if z:\n    y\n") == "\tif z:\n\t    y\n"


def test_inner_indentation_must_agree():
    with pytest.raises(ToolFailure) as caught:
        apply_to("if x:\n  y\n", "    if x:\n        y\n", "    z\n")
    assert caught.value.kind == "not_found"


def test_a_replacement_that_cannot_be_moved_is_refused():
    with pytest.raises(ToolFailure) as caught:
        apply_to("  if x:\n      y\n", "    if x:\n        y\n", "    if x:\n        y\nz\n")
    assert caught.value.kind == "indentation"
    assert "line 1" in caught.value.message


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("a \nb\na  \nb\n", "a\nb\n"),
        ("    a\n    b\n  a\n  b\n", "a\nb \n"),
    ],
)
def test_a_tolerant_match_must_be_the_only_one(text, old):
    with pytest.raises(ToolFailure) as caught:
        apply_to(text, old, "x\n")
    assert caught.value.kind == "several"
    assert "lines 1, 3" in caught.value.message


def test_an_exact_match_is_taken_before_a_tolerant_one():
    assert apply_to("  a\nb\na\nb\n", "a\nb\n", "x\n") == "  a\nb\nx\n"


def test_windows_line_ends_survive_a_block_edit():
    assert apply_to("one\r\n    two\r\n", "one\n    two\n", "1\n    2\n") == "1\r\n    2\r\n"


LINE = st.text("ab ", max_size=4)


def attempt(text, old, new):
    """The changed text, or the kind of failure."""
    try:
        return apply_to(text, old, new), None
    except ToolFailure as failure:
        return None, failure.kind


@given(lines=st.lists(LINE, min_size=1, max_size=8), data=st.data())
def test_any_stretch_of_lines_that_occurs_once_can_be_replaced(lines, data):
    text = "".join(f"{line}\n" for line in lines)
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, len(lines) - 1))
    old = "".join(f"{line}\n" for line in lines[first : last + 1])
    changed, failure = attempt(text, old, "new\n")
    count = sum(text.startswith(old, at) for at in range(len(text)) if at == 0 or text[at - 1] == "\n")
    if not old.strip():
        assert failure == "empty_search"
    elif count > 1:
        assert failure == "several"
    else:
        assert changed == "".join(f"{line}\n" for line in [*lines[:first], "new", *lines[last + 1 :]])


@given(text=st.text("ab \t\n", max_size=30), old=st.text("ab \t\n", max_size=12), new=st.text("cd \n", max_size=6))
def test_an_edit_ends_in_a_change_or_a_failure(text, old, new):
    changed, failure = attempt(text, old, new)
    assert changed != text
    assert failure in {None, "not_found", "several", "unchanged", "empty_search", "indentation"}


def test_matching_takes_linear_time_on_monotonous_files():
    text = "    x\n" * 50_000
    with pytest.raises(ToolFailure) as caught:
        apply_to(text, "x \n" * 20_000 + "y\n", "z\n")
    assert caught.value.kind == "not_found"


# preview


def test_a_preview_is_what_apply_writes(repo):
    args = {"edits": [edit("gcd.py", "gcd(a % b, b)", "gcd(b, a % b)")]}
    foreseen = preview({"gcd.py": GCD}, args)
    repo.use("apply", **args)
    assert foreseen == {"gcd.py": repo.text("gcd.py")}


def test_a_preview_of_an_unknown_file_fails_as_missing():
    with pytest.raises(ToolFailure) as caught:
        preview({}, {"edits": [edit("a.py", "x", "y")]})
    assert caught.value.kind == "missing"
    assert preview({}, {"files": [{"path": "a.py", "content": "x\n"}]}) == {"a.py": "x\n"}
