"""Tools that look at files and change them."""

# The primitives are no argument of a tool, so no docstring describes them.
# ruff: noqa: D417

from __future__ import annotations

import difflib
from pathlib import PurePosixPath

from terret.models.dialects import workspace_path
from terret.tools._change import Edit, File, work_out
from terret.tools._condense import page, readable, region, split_lines
from terret.tools._declare import tool
from terret.tools._match import line_at, replace_once
from terret.tools._result import Primitives, ToolFailure, ToolResult
from terret.tools._syntax import syntax_note
from terret.tools._text import editable, encode, is_binary, like, unix

MOST_ENTRIES = 300
"""Entries of a listing."""

MOST_HITS = 100
"""Lines of a search."""


@tool
async def list_files(primitives: Primitives, path: str = ".", depth: int = 2) -> str:
    """List files and folders.

    Args:
        path: Folder, relative to the repository.
        depth: Levels to go down.
    """
    if depth < 1:
        raise ToolFailure("bad_range", f"depth={depth}: give 1 or more")
    folder = workspace_path(path)
    entries = sorted(await primitives.list(folder, depth), key=lambda entry: entry.path)
    if not entries:
        return f"{folder} is empty"
    marks = {"dir": "/", "link": " (link)"}
    lines = [entry.path + marks.get(entry.kind, "") for entry in entries[:MOST_ENTRIES]]
    if len(entries) > MOST_ENTRIES:
        lines.append(f"[{len(entries) - MOST_ENTRIES} more; list a subfolder or a smaller depth]")
    return "\n".join(lines)


@tool
async def read_file(primitives: Primitives, path: str, start: int = 1, end: int | None = None) -> str:
    """Read a file with line numbers (`NUMBER|LINE`); a long one comes in pages.

    Args:
        path: File, relative to the repository.
        start: First line, counted from 1.
        end: Last line, included; left out, as much as fits.
    """
    path = workspace_path(path)
    content = await _read(primitives, path)
    if not content:
        return f"{path} is empty"
    if is_binary(content):
        raise ToolFailure("not_text", f"{path} is a binary file of {len(content)} bytes")
    text = content.decode("utf-8", "replace")
    shown = page(path, split_lines(text), start, end)
    return shown if text.encode() == content else f"{shown}\n[not UTF-8: unreadable bytes are shown as \ufffd]"


@tool
async def search(primitives: Primitives, pattern: str, path: str = ".", glob: str | None = None) -> str:
    """Search file contents with a regular expression (ripgrep); lines come as `FILE:NUMBER:LINE`.

    Args:
        pattern: Regular expression.
        path: Folder or file to search, relative to the repository.
        glob: Only files that match, such as `*.py`.
    """
    if not pattern or "\0" in pattern + path + (glob or ""):
        raise ToolFailure("bad_pattern", "give a pattern without NUL characters")
    done = await primitives.search(pattern, workspace_path(path), glob, MOST_HITS)
    text = readable(done.output).strip("\n")
    if done.status != "ok":
        raise ToolFailure(done.status, f"the search was stopped ({done.status}); narrow path or glob")
    if done.exit_code == 127:
        raise ToolFailure("unavailable", "ripgrep is not installed here; use run with grep -rn")
    if done.exit_code == 1:
        return f"nothing matches {pattern!r} in {path}" + (f" ({glob})" if glob else "")
    if done.exit_code != 0:
        kind = "missing" if "No such file" in text else "bad_pattern"
        raise ToolFailure(kind, "the search failed: " + " ".join(text.split())[:300])
    lines = text.split("\n")
    if len(lines) > MOST_HITS:
        lines[MOST_HITS:] = [f"[{len(lines) - MOST_HITS} more lines; narrow the pattern, path or glob]"]
    return "\n".join(line if len(line) <= 400 else f"{line[:400]} [...]" for line in lines)


@tool
async def edit_file(primitives: Primitives, path: str, old: str, new: str) -> str:
    """Replace a piece of a file; the result shows the changed place.

    Args:
        path: File, relative to the repository.
        old: Text as it is now, copied exactly (indentation too, line numbers not); must occur exactly once.
        new: Text to put in its place; empty to delete.
    """
    path = workspace_path(path)
    if not old:
        raise ToolFailure("empty_search", "old is empty; copy the text to replace from the file, or use write_file")
    if old == new:
        raise ToolFailure("unchanged", "old and new are the same")
    before = editable(path, await _read(primitives, path))
    plain, crlf = unix(before)
    try:
        changed, match = replace_once(plain, unix(old)[0], unix(new)[0], tolerant=False)
    except ToolFailure as failure:
        raise ToolFailure(failure.kind, f"{path}: {failure.message}") from None
    text = changed.replace("\n", "\r\n") if crlf else changed
    await primitives.write(path, encode(path, text))
    first = line_at(changed, match.start)
    last = first + max(0, len(split_lines(match.new)) - 1)
    return _with_notes(f"edited {path}:\n{region(changed, first, last)}", {path: text})


@tool
async def write_file(primitives: Primitives, path: str, content: str) -> str:
    """Create a file or replace all of it.

    Args:
        path: File, relative to the repository; folders are created.
        content: The complete new content.
    """
    path = workspace_path(path)
    present = await _present(primitives, path)
    text = like(_text(present), content)
    raw = encode(path, text)
    if raw == present:
        raise ToolFailure("unchanged", f"{path} has exactly this content already")
    await primitives.write(path, raw)
    did = "created" if present is None else "replaced"
    return _with_notes(f"{did} {path} ({len(text.splitlines())} lines)", {path: text})


@tool
async def apply(primitives: Primitives, edits: list[Edit] | None = None, files: list[File] | None = None) -> ToolResult:
    """Make several changes at once, all or none of them.

    Args:
        edits: Replacements, applied in order; old must occur exactly once in its file.
        files: Complete new contents of files.
    """
    edits, files = edits or [], files or []
    originals: dict[str, bytes | None] = {}
    texts: dict[str, str | None] = {}
    for file in files:
        path = workspace_path(file["path"])
        originals[path] = await _present(primitives, path)
        texts[path] = _text(originals[path])
    for edit in edits:
        path = workspace_path(edit["path"])
        if path not in originals:
            originals[path] = content = await _present(primitives, path)
            texts[path] = None if content is None else editable(path, content)
    change = work_out(edits, files, texts)
    raw = {path: encode(path, text) for path, text in change.contents.items()}
    await _write_all(
        primitives, {path: content for path, content in raw.items() if content != originals[path]}, originals
    )
    return ToolResult(_with_notes("\n".join(change.notes), change.contents))


async def _write_all(primitives: Primitives, raw: dict[str, bytes], originals: dict[str, bytes | None]) -> None:
    """Write every file; when one is refused, take the earlier ones back."""
    written: list[str] = []
    for path, content in raw.items():
        try:
            await primitives.write(path, content)
        except ToolFailure as failure:
            for earlier in reversed(written):
                before = originals[earlier]
                await (primitives.delete(earlier) if before is None else primitives.write(earlier, before))
            back = "; nothing was changed" if len(raw) > 1 else ""
            raise ToolFailure(failure.kind, f"{path}: {failure.message}{back}") from None
        written.append(path)


async def _present(primitives: Primitives, path: str) -> bytes | None:
    try:
        return await primitives.read(path)
    except ToolFailure as failure:
        if failure.kind == "missing":
            return None
        raise


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


async def _read(primitives: Primitives, path: str) -> bytes:
    """A file's content; for one that does not exist, the failure names files that look like it."""
    try:
        return await primitives.read(path)
    except ToolFailure as failure:
        if failure.kind != "missing":
            raise
        near = await _alike(primitives, path)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ToolFailure("missing", f"there is no file {path}{hint}") from None


async def _alike(primitives: Primitives, path: str) -> list[str]:
    try:
        files = [entry.path for entry in await primitives.list(".", 8) if entry.kind == "file"][:5000]
    except ToolFailure:
        return []
    name = PurePosixPath(path).name
    same = sorted(file for file in files if PurePosixPath(file).name == name)
    return same[:3] or difflib.get_close_matches(path[:200], files, n=2, cutoff=0.7)


def _with_notes(text: str, contents: dict[str, str]) -> str:
    notes = [note for path, content in contents.items() if (note := syntax_note(path, content))]
    return "\n".join([text, *(f"[note: {note}]" for note in notes)])
