"""Broken formatting: files that no longer parse, mixed indentation and line ends, blanks at line ends."""

from __future__ import annotations

import json
import re
import tomllib
from collections import deque
from collections.abc import Iterator
from typing import cast

from terret.entropy._burden import Burden, burden
from terret.entropy._change import Change, FileDiff
from terret.entropy._paths import SOURCE, base, is_python, is_script, is_source, is_test, suffix
from terret.entropy._python import parse_error
from terret.entropy._script import balanced, scan

_CONFLICT = re.compile(r"(?:<{7} .+|>{7} .+|\|{7} .+)")
_BLANKS_MATTER = frozenset({".md", ".markdown", ".diff", ".patch", ".rej", ".snap", ".txt", ".csv", ".tsv", ".svg"})
_JSON_WITH_COMMENTS = re.compile(
    r"(?:tsconfig.*|jsconfig.*|devcontainer|settings|launch|tasks|extensions|babel.*|\..*)\.json"
)
_WRITTEN = SOURCE | {".json", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".html", ".css", ".scss", ".sql", ".rst"}


def formatting(change: Change) -> Iterator[Burden]:
    """Every way the patch leaves a file malformed."""
    for file in change.written(lambda path: suffix(path) in _WRITTEN | {".md"}):
        yield from _conflict(file)
        yield from _syntax(file)
        data = is_test(file.path) and not is_source(file.path)
        if not data and suffix(file.path) not in _BLANKS_MATTER:
            yield from _blanks(change, file)
            yield from _final_newline(file)
            yield from _indentation(file)
            yield from _line_ends(file)


def _conflict(file: FileDiff) -> Iterator[Burden]:
    for line, text in file.added:
        if _CONFLICT.fullmatch(text):
            yield burden("conflict_marker", file.path, line, text)
            return


def _syntax(file: FileDiff) -> Iterator[Burden]:
    if any(_CONFLICT.fullmatch(text) for _, text in file.added):
        return
    new = _problem(file.path, file.new or "")
    if new is None or (file.old is not None and _problem(file.path, file.old) is not None):
        return
    yield burden("syntax_error", file.path, new[0], new[1])


def _problem(path: str, text: str) -> tuple[int, str] | None:
    """Line and reason why a text cannot be parsed; nothing when it can, or when nobody knows."""
    if is_python(path):
        return parse_error(text)
    try:
        if suffix(path) == ".json" and text.strip() and not _JSON_WITH_COMMENTS.fullmatch(base(path)):
            json.loads(text)
        elif suffix(path) == ".toml":
            tomllib.loads(text)
        elif suffix(path) in (".yaml", ".yml"):
            return _yaml_problem(text)
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        return int(line[1]) if line else 0, str(error)
    if is_script(path) and suffix(path) not in (".jsx", ".tsx") and not balanced(scan(path, text).code):
        return 0, "brackets do not close one another"
    return None


def _yaml_problem(text: str) -> tuple[int, str] | None:
    import yaml

    if len(text) > 65_536 or "{{" in text or "{%" in text:
        return None
    try:
        deque(cast(Iterator[object], yaml.compose_all(text, Loader=yaml.SafeLoader)), 0)  # pyright: ignore[reportUnknownMemberType]
    except yaml.MarkedYAMLError as error:
        return (error.problem_mark.line + 1 if error.problem_mark else 0), error.problem or "malformed YAML"
    except (yaml.YAMLError, RecursionError) as error:
        return 0, str(error)
    return None


def _blanks(change: Change, file: FileDiff) -> Iterator[Burden]:
    moved = {text for other in change.files for _, text in other.removed}
    found = [(line, text) for line, text in file.added if text != text.rstrip(" \t") and text not in moved]
    old = [line for line in file.old_lines if line != line.rstrip(" \t")]
    if found and len(old) * 5 < len(file.old_lines) + 1:
        more = f" and {len(found) - 1} more lines" if len(found) > 1 else ""
        yield burden("trailing_whitespace", file.path, found[0][0], f"{found[0][1].strip() or 'only blanks'}{more}")


def _final_newline(file: FileDiff) -> Iterator[Burden]:
    new, old = file.new or "", file.old
    if new and not new.endswith("\n") and (old is None or old == "" or old.endswith("\n")):
        yield burden("missing_final_newline", file.path, len(file.new_lines), file.new_lines[-1])


def _indentation(file: FileDiff) -> Iterator[Burden]:
    """Tabs in a file indented by blanks, or the other way round."""
    reference = file.old_lines if file.old is not None else file.new_lines
    tabs = sum(1 for line in reference if line.startswith("\t"))
    blanks = sum(1 for line in reference if line.startswith("  "))
    if suffix(file.path) == ".go" or not is_source(file.path):
        return
    if file.old is not None and tabs and blanks:
        return
    for line, text in file.added:
        indent = text[: len(text) - len(text.lstrip())]
        mixed = (" \t" in indent) or (blanks > tabs and "\t" in indent) or (tabs > blanks and indent.startswith("  "))
        if mixed and text.strip() and not text.lstrip().startswith("*"):
            yield burden("mixed_indentation", file.path, line, repr(indent) + " " + text.strip())
            return


def _line_ends(file: FileDiff) -> Iterator[Burden]:
    windows, unix = line_ends(file.new or "")
    if not windows or not unix:
        return
    if file.old is not None and all(line_ends(file.old)):
        return
    rarer = "\r\n" if windows <= unix else "\n"
    rows = (file.new or "").split("\n")[:-1]
    line = next(at for at, row in enumerate(rows, 1) if row.endswith("\r") == (rarer == "\r\n"))
    yield burden("mixed_line_endings", file.path, line, f"{windows} lines end in CRLF, {unix} in LF")


def line_ends(text: str) -> tuple[int, int]:
    """How many lines end in CRLF, and how many in LF alone."""
    windows = text.count("\r\n")
    return windows, text.count("\n") - windows
