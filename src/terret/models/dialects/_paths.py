"""Paths as models write them."""

from __future__ import annotations

import re

_LEAD = re.compile(r"(?:#{1,6}|//|--|;|[-*+]|\d{1,3}[.)]) +")
_LABEL = re.compile(r"(?:in )?(?:file|path|filename|file ?path)(?: ?name)? ?: *", re.IGNORECASE)
_PLAIN = re.compile(r"[^\s<>|\"'*?`:;,(){}]+")
_NAME = re.compile(r"(?:.*/)?(?:[^/]*\.[A-Za-z0-9_]{1,12}|[A-Z][A-Za-z]*file|LICENSE|Dockerfile|\.[a-z][a-z.]*)")
_KEY = re.compile(r"\b(?:title|file|filename|path|name)=", re.IGNORECASE)

MAX_PATH = 300
"""Characters in a path line."""


def workspace_path(path: str) -> str:
    """A path relative to the workspace: without a leading ``/workspace/`` or ``./`` and a trailing ``/``."""
    path = path.strip()
    if path == "/workspace":
        return "."
    path = path.removeprefix("/workspace/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path.rstrip("/") or ("/" if path.startswith("/") else ".")


def info_path(info: str) -> str | None:
    """The path in a fence's info string (``python src/a.py``, ``python:src/a.py``, ``js title="a.js"``), if any."""
    words = _KEY.sub(" ", info[:MAX_PATH]).replace(":", " ").split()
    return next((path for word in words[:4] if (path := path_line(word.strip("{}\"'")))), None)


def path_line(line: str) -> str | None:
    """The path a line consists of, or None when it is something else.

    A path may be marked as heading, comment, list item, bold, code or with ``File:``, and be followed by a colon.
    It holds no white space unless it is in backticks, and ends in a name with a suffix (or one like ``Makefile``).
    """
    text = line.strip()
    if not text or len(text) > MAX_PATH:
        return None
    for _ in range(3):
        shorter = _LABEL.sub("", _LEAD.sub("", text, count=1) if _LEAD.match(text) else text, count=1)
        shorter = shorter.strip().removesuffix(":").strip()
        for mark in ("**", "__", "*"):
            if len(shorter) > 2 * len(mark) and shorter.startswith(mark) and shorter.endswith(mark):
                shorter = shorter[len(mark) : -len(mark)]
        if shorter == text:
            break
        text = shorter
    quoted = len(text) > 2 and text[0] == text[-1] and text[0] in "`\"'"
    if quoted:
        text = text[1:-1].strip()
    if quoted and not re.fullmatch(r"[^<>|\"'*?`:;,(){}\n]+", text):
        return None
    if not quoted and not _PLAIN.fullmatch(text):
        return None
    return workspace_path(text) if _NAME.fullmatch(text) else None
