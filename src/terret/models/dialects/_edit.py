"""``edit``: search/replace blocks, any number, in any number of files."""

from __future__ import annotations

from collections.abc import Sequence

from terret.models._types import Message, Reply, ToolSpec
from terret.models.dialects._action import Action, FormatError, refuse, remark
from terret.models.dialects._change import call_instructions, change, json_call
from terret.models.dialects._elision import placeholder
from terret.models.dialects._fences import scan
from terret.models.dialects._paths import info_path, path_line
from terret.models.dialects._reply import answer

SEARCH, DIVIDER, REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"

_WORDS = ("SEARCH", "REPLACE", "ORIGINAL", "UPDATED")


class EditDialect:
    """A path line, then blocks of search, divider and replacement; fences around them are allowed.

    Args:
        default_path: The file of a block that has no path line.
    """

    name = "edit"

    def __init__(self, default_path: str | None = None) -> None:
        self._default_path = default_path

    def instructions(self, tools: Sequence[ToolSpec]) -> str:
        """The form of a block."""
        # A worked example and "never the whole file" are what makes a 1.5B model keep to the form; a block of
        # placeholders is copied as it stands.
        path = self._default_path or "src/report.py"
        return (
            "Change files with one or more search/replace blocks and nothing else. Each block looks like this (path, "
            "lines to find, lines to put there):\n\n"
            f"{path}\n{SEARCH}\nfor item in items:\n    print(item)\n{DIVIDER}\n"
            f"for item in sorted(items):\n    print(item)\n{REPLACE}\n\n"
            "Copy the lines to find exactly from the file, with their indentation; two or three lines are enough. "
            "Never write the whole file. To create a file, find nothing." + call_instructions(tools)
        )

    def request_tools(self, tools: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
        """None."""
        return ()

    def parse(self, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
        """One ``apply`` with all edits, in order; or one JSON call of another tool."""
        text = answer(reply)
        if isinstance(text, FormatError):
            return text
        if "<<<<<" not in text and ">>>>>" not in text:
            return _without_blocks(text, reply, tools)
        found = _Scanner(self._default_path, truncated=reply.finish == "length").run(text)
        return found if isinstance(found, FormatError) else change(found, [], tools, text)

    def feedback(self, action: Action | None, text: str) -> Message:
        """A user message."""
        return remark(text if action is None else f"Result:\n{text}")


def _without_blocks(text: str, reply: Reply, tools: Sequence[ToolSpec]) -> tuple[Action, ...] | FormatError:
    fences = scan(text)
    if not fences.unclosed:
        call = json_call(fences.blocks, tools)
        if call is not None:
            return call
    if reply.finish == "length":
        return refuse("truncated", "the reply was cut off before it came to a block; answer shorter", text[-200:])
    return refuse("no_block", f"the reply holds no search/replace block; one begins with a line {SEARCH}", text)


class _Scanner:
    """One pass over the lines; remembers in which part of a block it is."""

    def __init__(self, default_path: str | None, *, truncated: bool) -> None:
        self._default_path = default_path
        self._truncated = truncated
        self._edits: list[dict[str, str]] = []
        self._path: str | None = None
        self._candidate = ""
        """The nearest line above that is neither blank nor a fence."""
        self._part = "outside"
        self._start = 0
        self._old: list[str] = []
        self._new: list[str] = []

    def run(self, text: str) -> list[dict[str, str]] | FormatError:
        for number, line in enumerate(text.split("\n"), 1):
            mark = line.rstrip()
            step = {"outside": self._outside, "search": self._search, "replace": self._replace}[self._part]
            refused = step(number, line, mark)
            if refused:
                return refused
        if self._part == "outside":
            return self._edits or refuse("no_block", f"the reply holds no block; one begins with a line {SEARCH}", text)
        if self._truncated:
            message = f"the reply was cut off inside the block that begins in line {self._start}; use shorter blocks"
            return refuse("truncated", message, text[-200:])
        missing = DIVIDER if self._part == "search" else REPLACE
        return _malformed(self._start, f"this block has no line {missing}", text[-200:])

    def _outside(self, number: int, line: str, mark: str) -> FormatError | None:
        if mark == SEARCH:
            return self._open(number)
        if mark == REPLACE:
            return _malformed(number, f"{REPLACE} without a {SEARCH} before it", line)
        if _almost(mark) or mark.startswith("<<<<<<< "):
            return _malformed(number, f"a block begins with exactly {SEARCH}", line)
        if mark.lstrip().startswith(("```", "~~~")):
            self._candidate = info_path(mark.lstrip("`~ \t")) or self._candidate
        elif mark.strip():
            self._candidate = line
        return None

    def _open(self, number: int) -> FormatError | None:
        path = path_line(self._candidate) if self._candidate else self._path
        if path is None or (self._default_path and self._default_path.endswith("/" + path)):
            path = self._default_path
        if path is None:
            message = f"line {number}: write the path of the file on the line above {SEARCH}"
            return refuse("no_path", message, self._candidate)
        self._path, self._start, self._old, self._new, self._part = path, number, [], [], "search"
        return None

    def _search(self, number: int, line: str, mark: str) -> FormatError | None:
        if mark == DIVIDER:
            self._part = "replace"
        elif mark == REPLACE:
            return _malformed(number, f"the block that begins in line {self._start} has no line {DIVIDER}", line)
        elif mark == SEARCH or _almost(mark):
            return _malformed(number, f"a marker inside the search part of line {self._start}", line)
        else:
            self._old.append(line)
        return None

    def _replace(self, number: int, line: str, mark: str) -> FormatError | None:
        if mark == REPLACE:
            return self._close()
        if mark == DIVIDER:
            return _malformed(number, f"a second {DIVIDER} in the block of line {self._start}", line)
        if mark == SEARCH or _almost(mark):
            return _malformed(number, f"the block of line {self._start} must first end with exactly {REPLACE}", line)
        self._new.append(line)
        return None

    def _close(self) -> FormatError | None:
        old = "".join(f"{line}\n" for line in self._old)
        new = "".join(f"{line}\n" for line in self._new)
        hole = placeholder(new)
        if hole and hole[1] not in {line.strip() for line in self._old}:
            where = self._start + 1 + len(self._old) + hole[0]
            return refuse("elided", f"line {where} leaves code out ({hole[1][:60]}); write every line", hole[1])
        if not old and not new:
            return refuse("empty_block", f"the block of line {self._start} is empty")
        self._edits.append({"path": self._path or "", "old": old, "new": new})
        self._part, self._candidate = "outside", ""
        return None


def _almost(mark: str) -> bool:
    """Whether a line looks like a marker but is none."""
    if len(mark) > 40 or mark[:3] not in {"<<<", ">>>"}:
        return False
    sign = mark[0]
    rest = mark.lstrip(sign).strip().upper()
    return len(mark) - len(mark.lstrip(sign)) >= 4 and (not rest or rest.startswith(_WORDS))


def _malformed(number: int, what: str, excerpt: str) -> FormatError:
    return refuse("malformed_markers", f"line {number}: {what}", excerpt)
