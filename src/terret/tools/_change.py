"""Works out what a set of edits and whole files makes of the workspace, without touching it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from terret.models.dialects import workspace_path
from terret.tools._match import line_at, replace_once
from terret.tools._result import ToolFailure
from terret.tools._text import like, unix


class Edit(TypedDict):
    """Replace ``old``, which occurs once in the file, by ``new``; an empty ``old`` creates the file."""

    path: str
    old: str
    new: str


class File(TypedDict):
    """Replace or create a whole file."""

    path: str
    content: str


class Change(NamedTuple):
    """The new content by path, in the order of first mention, and a line on each step."""

    contents: dict[str, str]
    notes: list[str]


def work_out(edits: Sequence[Edit], files: Sequence[File], texts: Mapping[str, str | None]) -> Change:
    """The outcome of all files, then all edits in order.

    Args:
        edits: Replacements; several in one file see what the earlier ones made of it.
        files: Whole files.
        texts: The present text of every file concerned; None where there is no file.

    Raises:
        ToolFailure: The first step that does not work out; ``unchanged`` when all together change nothing.
    """
    if not edits and not files:
        raise ToolFailure("nothing_given", "give at least one edit or file")
    contents: dict[str, str] = {}
    notes: list[str] = []
    for file in files:
        path = workspace_path(file["path"])
        if path in contents:
            raise ToolFailure("conflict", f"{path} is given twice; write each file once")
        before = texts.get(path)
        contents[path] = like(before, file["content"])
        lines = len(contents[path].splitlines())
        notes.append(f"{'created' if before is None else 'wrote'} {path} ({lines} lines)")
    whole = set(contents)
    for place, edit in enumerate(edits, 1):
        path = workspace_path(edit["path"])
        block = f"block {place} of {len(edits)} ({path}): " if len(edits) > 1 else f"{path}: "
        if path in whole:
            raise ToolFailure("conflict", f"{block}the same file is also given as a whole; do one or the other")
        try:
            contents[path], note = _edited(path, contents.get(path, texts.get(path)), edit["old"], edit["new"])
        except ToolFailure as failure:
            raise ToolFailure(failure.kind, block + failure.message) from None
        notes.append(note)
    if all(texts.get(path) == text for path, text in contents.items()):
        raise ToolFailure("unchanged", f"the new content of {', '.join(contents)} is what it was before")
    return Change(contents, notes)


def _edited(path: str, text: str | None, old: str, new: str) -> tuple[str, str]:
    if not old.strip() and not text:
        return new, f"created {path} ({len(new.splitlines())} lines)"
    if text is None:
        raise ToolFailure("missing", "there is no such file; to create it, leave the search part empty")
    if not old.strip():
        raise ToolFailure("empty_search", "the search part is empty, but the file exists; say which lines to replace")
    plain, crlf = unix(text)
    changed, match = replace_once(plain, unix(old)[0], unix(new)[0], tolerant=True)
    how = f" (matched {match.how})" if match.how else ""
    note = f"changed {path} at line {line_at(plain, match.start)}{how}"
    return changed.replace("\n", "\r\n") if crlf else changed, note


def preview(known: Mapping[str, str], args: Mapping[str, Any]) -> dict[str, str]:
    """What ``apply`` with these arguments would make of known files: the new text by path.

    Raises:
        ToolFailure: As ``apply`` would, and ``missing`` for an edit of a file that is not known.
    """
    edits: list[Edit] = args.get("edits") or []
    files: list[File] = args.get("files") or []
    return work_out(edits, files, known).contents
