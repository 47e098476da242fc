"""Reads the headers of a git patch, before anything is applied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from terret.globs import HARNESS, PathRefused, WriteRules, normalise
from terret.verification._results import Finding

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class PatchEntry(NamedTuple):
    """One file of a patch; ``mode`` is the git mode it gets, when the patch sets one."""

    path: str
    mode: str | None


def entries(patch: bytes) -> Iterator[PatchEntry]:
    """The files a git patch touches, both names of a rename."""
    lines = patch.decode("utf-8", "surrogateescape").split("\n")
    heads = [at for at, line in enumerate(lines) if line.startswith("diff --git ")]
    for index, begin in enumerate(heads):
        end = heads[index + 1] if index + 1 < len(heads) else len(lines)
        names = set(_names(lines[begin][11:]))
        mode = None
        for line in lines[begin + 1 : end]:
            if line.startswith(("@@", "GIT binary", "--- ")):
                break
            word, _, rest = line.partition(" ")
            if word in ("rename", "copy"):
                names.add(_unquoted(rest.partition(" ")[2]))
            elif line.startswith(("new file mode ", "new mode ")):
                mode = line.rpartition(" ")[2]
        yield from (PatchEntry(name, mode) for name in sorted(names))


def forbidden(patch: bytes) -> list[Finding]:
    """Files no patch may ever touch: version-control data, the harness's own, anything outside the repository."""
    found: list[Finding] = []
    for path, mode in entries(patch):
        try:
            plain = normalise(path)
        except PathRefused as error:
            found.append(Finding(error.refusal.rule, path, error.refusal.reason))
            continue
        parts = plain.split("/")
        if parts[0] == HARNESS:
            found.append(Finding("protected:harness", path, "the patch changes a file of the harness"))
        elif any(part.casefold() == ".git" for part in parts):
            found.append(Finding("protected:.git", path, "the patch changes version-control data"))
        elif mode == "160000":
            found.append(Finding("nested_repository", path, "the patch adds a nested repository"))
    return found


def denied(paths: list[str], rules: WriteRules) -> list[Finding]:
    """Changed files the task does not let the agent change, whatever it changed them with."""
    found: list[Finding] = []
    for path in paths:
        refusal = rules.refusal(path)
        if refusal is not None:
            found.append(Finding(refusal.rule, path, refusal.reason))
    return found


def _names(header: str) -> Iterator[str]:
    """Both names of ``a/X b/Y``; unquoted names are equal, or a rename line tells them."""
    if header.startswith('"') or header.endswith('"'):
        for match in _QUOTED.finditer(header):
            yield _unquoted(match.group())[2:]
        return
    half = len(header) // 2
    if header[:half][2:] == header[half + 1 :][2:]:
        yield header[2:half]


def _unquoted(text: str) -> str:
    """A path as git writes it, C quotes and octal bytes undone."""
    if not (text.startswith('"') and text.endswith('"') and len(text) > 1):
        return text
    plain = re.sub(
        r"\\([0-7]{3}|.)",
        lambda match: chr(int(match[1], 8)) if len(match[1]) == 3 else _ESCAPES.get(match[1], match[1]),
        text[1:-1],
    )
    return plain.encode("latin-1", "replace").decode("utf-8", "surrogateescape") if plain.isascii() is False else plain
