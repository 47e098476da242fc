"""Texts and task state that name what is gone, links that lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change
from terret.entropy._paths import folder, is_document, is_history, is_python, is_test
from terret.entropy._python import docstring_nodes
from terret.entropy._vanished import Name, Vanished

_TELLS_THE_PAST = re.compile(
    r"\b(?:removed|renamed|deprecated|formerly|previously|no longer|used to|replaced|(?:was|were) called"
    r"|obsolete|dropped|old name|instead of|before)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")


def documents(change: Change, gone: Vanished, state: Mapping[str, Any] | None) -> Iterator[Burden]:
    """Every text the patch made wrong."""
    for path in change.paths:
        if is_document(path) and not is_history(path) and (text := change.text(path)):
            rows = list(enumerate(text.split("\n"), 1))
            for item in _stale(path, rows, gone, words=True):
                if not _defines(text, item.evidence.partition(" ")[0]):
                    yield item
    for path, text in change.sources():
        if is_python(path) and not is_test(path) and any(name.name in text for name in gone.names):
            yield from _docstrings(change, path, gone)
    yield from _state(state or {}, gone)
    for file in change.written(lambda path: path.endswith((".md", ".markdown", ".mdx"))):
        for line, text in file.added:
            for target in _LINK.findall(text):
                if not _leads(change, file.path, unquote(target)):
                    yield burden("broken_link", file.path, line, f"{target} does not exist")


def _defines(text: str, word: str) -> bool:
    """Whether a text's own examples define a symbol or option."""
    escaped = re.escape(word)
    defined = rf"\b(?:def|class|function|const)\s+{escaped}\b|^\s*{escaped}\s*=|[\"']{escaped}[\"'/ ]"
    return re.search(defined, text, re.MULTILINE) is not None


def _stale(path: str, rows: list[tuple[int, str]], gone: Vanished, *, words: bool) -> Iterator[Burden]:
    told: set[str] = set()
    for line, text in rows:
        if _TELLS_THE_PAST.search(text):
            continue
        for rule, word in _named(text, gone, path, words=words):
            if word not in told:
                told.add(word)
                yield burden(rule, path, line, f"{word} is gone: {text.strip()}")


def _named(text: str, gone: Vanished, path: str, *, words: bool) -> Iterator[tuple[str, str]]:
    """Rules and words of everything gone that a line names."""
    for name in gone.names:
        if name.name in text and _names(text, name):
            yield "stale_name", name.name
    if not words:
        return
    for option in gone.options:
        if option in text and re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text):
            yield "stale_option", option
    for deleted, forms in gone.paths.items():
        if any(
            form in text and re.search(rf"(?<![\w./-]){re.escape(form)}(?![\w/-])", text)
            for form in _seen(forms, deleted, path)
        ):
            yield "stale_path", deleted
    for command in gone.commands:
        if command in text and re.search(rf"(?<![\w-]){re.escape(command)}(?![\w:-])", text):
            yield "stale_command", command


def _seen(forms: list[str], deleted: str, path: str) -> list[str]:
    """The spellings of a deleted file, its path relative to the text's folder too."""
    inside = folder(path) + "/"
    return [*forms, deleted.removeprefix(inside)] if deleted.startswith(inside) else forms


def _names(text: str, name: Name) -> bool:
    """Whether a line names a symbol; a plain word must stand as code."""
    escaped = re.escape(name.name)
    for match in re.finditer(rf"(?<![\w$-]){escaped}(?![\w$-])", text):
        left, right = text[: match.start()], text[match.end() :]
        owner = re.search(r"([A-Z]\w*)[.#]$", left)
        if owner and name.owner and owner[1] != name.owner.rpartition(".")[2]:
            continue
        if not name.plain or _is_code(left, right):
            return True
    return False


def _is_code(left: str, right: str) -> bool:
    """Whether the word between two pieces of a line is code: alone between backticks, called, or an attribute."""
    if re.search(r"`~?(?:[\w$]+[.#])*$", left) and re.match(r"(?:\([^`]*\))?`", right):
        return True
    if not re.match(r"\((?!s\))", right):
        return False
    return left.count("`") % 2 == 1 or re.search(r"[\w)\]]\.$|^$|\s{4}$|[=(]\s*$", left) is not None


def _docstrings(change: Change, path: str, gone: Vanished) -> Iterator[Burden]:
    tree = change.tree(path)
    if tree is None:
        return
    used = change.names(path)
    for node in docstring_nodes(tree):
        rows = [(node.lineno + at, text) for at, text in enumerate(str(node.value).split("\n"))]
        for item in _stale(path, rows, gone, words=False):
            if item.evidence.partition(" ")[0] not in used:
                yield item


def _state(state: Mapping[str, Any], gone: Vanished) -> Iterator[Burden]:
    for field, text in _texts(state):
        for _, word in _named(text, gone, "", words=True):
            yield burden("stale_state", word if word in gone.paths else "", 0, f"{field}: {text} ({word} is gone)")
            break


def _texts(value: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a JSON value with the name of its field."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for key, item in cast(Mapping[str, Any], value).items():
            yield from _texts(item, field or str(key))
    elif isinstance(value, list | tuple):
        for item in cast(list[Any], value):
            yield from _texts(item, field)


def _leads(change: Change, path: str, target: str) -> bool:
    """Whether a link of a text leads to a file or folder of the repository, or out of it."""
    plain = target.partition("#")[0].partition("?")[0]
    if not re.search(r"[./]", plain) or re.match(r"//|[a-z][a-z0-9+.-]*:", plain, re.IGNORECASE) or "{" in plain:
        return True
    segments = [] if plain.startswith("/") else folder(path).split("/")
    for part in plain.split("/"):
        if part == "..":
            if not segments or segments == [""]:
                return True
            segments.pop()
        elif part not in ("", "."):
            segments.append(part)
    resolved = "/".join(part for part in segments if part)
    return resolved in change.known or any(known.startswith(resolved + "/") for known in change.paths) or not resolved
