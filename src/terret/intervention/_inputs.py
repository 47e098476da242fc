"""What a person puts into the folder without being asked: hints, patches, the order to stop."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Literal

from terret.intervention._request import HumanInput

_FORMS: dict[str, Literal["hint", "takeover", "interrupt"]] = {
    ".hint": "hint",
    ".patch": "takeover",
    ".stop": "interrupt",
}
_LIMITS = {"hint": 8_000, "takeover": 2_000_000, "interrupt": 8_000}
_PATCH = re.compile(r"^(?:diff --git |--- )", re.MULTILINE)


def find_inputs(folder: Path) -> list[HumanInput]:
    """The inputs in a folder by name. A hint without text may be half written and waits; so does what has no patch yet.

    What is too long or is not UTF-8 is put away as refused.
    """
    found: list[HumanInput] = []
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix in _FORMS)
    except OSError:
        return found
    for name in names:
        form = _FORMS[Path(name).suffix]
        try:
            raw = read_regular(folder / name, _LIMITS[form] + 1)
        except OSError:
            continue
        bare = HumanInput(name, form, by="file")
        if len(raw) > _LIMITS[form]:
            put_away(folder, bare, f"it is larger than {_LIMITS[form]} bytes")
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            put_away(folder, bare, "it is not UTF-8")
            continue
        comment, patch = _parted(text) if form == "takeover" else (text, "")
        if patch or (text.strip() and form == "hint") or form == "interrupt":
            found.append(HumanInput(name, form, comment.strip(), patch, "file"))
    return found


def put_away(folder: Path, given: HumanInput, refusal: str) -> None:
    """Rename an input's file, so that it is not taken again."""
    path = folder / given.name
    with contextlib.suppress(OSError):
        path.replace(path.with_name(given.name + (".refused" if refusal else ".taken")))
        if refusal:
            path.with_name(given.name + ".reason").write_text(refusal + "\n", encoding="utf-8")


def read_regular(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes of a file; neither follows a link nor waits for a writer.

    Raises:
        OSError: There is no such file, or it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(limit)


def _parted(text: str) -> tuple[str, str]:
    """The comment before a patch, and the patch; no patch when there is none."""
    began = _PATCH.search(text)
    return (text, "") if began is None else (text[: began.start()], text[began.start() :])
