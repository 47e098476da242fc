"""Reads a YAML or JSON file into plain values, and remembers on which line each value stands."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from terret.errors import TaskError
from terret.task._problem import Finding, Keys, Problem, show_keys

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 4 * 1024 * 1024
"""Largest task file read; inline repositories beyond this belong into a folder."""

MAX_VALUES = 100_000
"""Most values in a file once YAML aliases are written out, so that nested aliases cannot fill the memory."""

MAX_CHARACTERS = 4 * MAX_BYTES
"""Most text in a file once YAML aliases are written out."""

MAX_DEPTH = 40
"""Deepest nesting; a task needs five levels, the rest is for ``metadata``."""

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("bool", "float", "int", "null", "str")}
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class Document(msgspec.Struct):
    """A parsed file: its name for messages, its value, the lines (from 1) of its values, and what was refused."""

    name: str
    value: Any = None
    lines: dict[Keys, int] = msgspec.field(default_factory=dict[Keys, int])
    findings: list[Finding] = msgspec.field(default_factory=list[Finding])

    def where(self, at: Keys) -> str:
        """File, line where known (that of the nearest enclosing value) and path."""
        line = next((self.lines[at[:size]] for size in range(len(at), -1, -1) if at[:size] in self.lines), None)
        place = self.name if line is None else f"{self.name}:{line}"
        return f"{place}: {show_keys(at)}" if at or line is None else place

    def problem(self, finding: Finding) -> Problem:
        """The finding with its place in this file."""
        return Problem(self.where(finding.at), finding.message, finding.value, finding.hint, finding.severity)


def read_document(file: Path) -> Document:
    """Parse a file by its suffix, or by its first character when the suffix says nothing.

    Raises:
        TaskError: The file cannot be read, or is not YAML or JSON at all.
    """
    text = _read_text(file)
    is_json = file.suffix == ".json" or (file.suffix not in {".yaml", ".yml"} and text.lstrip()[:1] == "{")
    try:
        document = _parse_json(text, str(file)) if is_json else _parse_yaml(text, str(file))
    except RecursionError:
        raise TaskError("the file is nested too deeply", where=str(file), hint="flatten it") from None
    document.findings.extend(_unsound(document.value, ()))
    return document


def _read_text(file: Path) -> str:
    try:
        if file.is_dir():
            raise TaskError("the task is a folder", where=str(file), hint="name the task file in it")
        if file.stat().st_size > MAX_BYTES:
            raise TaskError(
                "the task file is too large",
                value=f"{file.stat().st_size} bytes",
                where=str(file),
                hint=f"keep it below {MAX_BYTES} bytes and put the repository into a folder",
            )
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise TaskError(
            "the task file does not exist", where=str(file), hint=f"write one with: terret task new {file}"
        ) from None
    except OSError as error:
        raise TaskError(f"the task file cannot be read: {error.strerror}", where=str(file)) from None
    except UnicodeDecodeError as error:
        raise TaskError(
            "the task file is not UTF-8 text", value=f"byte {error.start}", where=str(file), hint="save it as UTF-8"
        ) from None
    except ValueError as error:
        raise TaskError(f"the task file has an impossible name: {error}", value=str(file)) from None


def _parse_json(text: str, name: str) -> Document:
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [key for key, _ in pairs]
        repeated.extend(sorted({key for key in names if names.count(key) > 1}))
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=members)
    except json.JSONDecodeError as error:
        raise TaskError(f"the file is not JSON: {error.msg}", where=f"{name}:{error.lineno}:{error.colno}") from None
    except ValueError as error:
        raise TaskError(f"the file is not JSON: {error}", where=name) from None
    doubles = [Finding((), "a member is given twice", key, "keep one of them") for key in repeated]
    return Document(name, value, findings=doubles)


def _parse_yaml(text: str, name: str) -> Document:
    import yaml

    document = Document(name)
    try:
        loader = cast("Any", yaml.SafeLoader(text))
        try:
            node = loader.get_single_node()
            document.value = None if node is None else _YamlBuilder(loader, document).build(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        reason = error.problem or error.context or "it cannot be parsed"
        raise TaskError(f"the file is not YAML: {reason}", where=place, hint="mend the syntax") from None
    except yaml.reader.ReaderError as error:
        raise TaskError(
            f"the file is not YAML: {error.reason}",
            value=chr(error.character) if isinstance(error.character, int) else None,
            where=f"{name}:{text.count(chr(10), 0, error.position) + 1}",
        ) from None
    return document


class _YamlBuilder:
    """Turns YAML nodes into plain values; anything beyond JSON's types is refused with its place."""

    def __init__(self, loader: Any, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._count = 0
        self._characters = 0

    def build(self, node: yaml.Node, at: Keys) -> Any:
        import yaml

        self._count += 1
        self._characters += len(node.value)
        if self._count > MAX_VALUES or len(at) > MAX_DEPTH or self._characters > MAX_CHARACTERS:
            raise TaskError(
                "the file has too many values, too much text or is nested too deeply",
                where=self._document.where(at),
                hint="write aliases out, or move data into the repository",
            )
        self._document.lines[at] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*at, index)) for index, item in enumerate(node.value)]
        return self._scalar(cast("yaml.ScalarNode", node), at)

    def _mapping(self, node: yaml.MappingNode, at: Keys) -> dict[str, Any]:
        import yaml

        members: dict[str, Any] = {}
        pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
        for key_node, value_node in pairs:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "a collection"
            here = (*at, key)
            if key_node.tag != "tag:yaml.org,2002:str":
                self._document.lines.setdefault(here, key_node.start_mark.line + 1)
                self._refuse(here, "a key is not plain text", key, "put it in quotes")
            elif key in members:
                first = self._document.lines[here]
                line = key_node.start_mark.line + 1
                self._refuse(at, f"a key is given twice, on lines {first} and {line}", key, "keep one of them")
            else:
                members[key] = self.build(value_node, here)
                self._document.lines[here] = key_node.start_mark.line + 1
        return members

    def _scalar(self, node: yaml.ScalarNode, at: Keys) -> Any:
        text = str(node.value)
        if node.tag == _TIMESTAMP:
            return text
        if node.tag not in _PLAIN_TAGS:
            self._refuse(at, "a YAML tag is not allowed here", node.tag, "write plain text or a number")
            return text
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError, IndexError):
            self._refuse(at, "a value cannot be read as its type", text[:40], "write plain text or a number")
            return text
        if isinstance(value, int) and value.bit_length() > 64:
            self._refuse(at, "a number does not fit in 64 bits", text[:40], "write a smaller number")
            return 0
        return value

    def _refuse(self, at: Keys, message: str, value: object, hint: str) -> None:
        self._document.findings.append(Finding(at, message, value, hint))


def _unsound(value: Any, at: Keys) -> Iterator[Finding]:
    """Values that JSON cannot carry faithfully."""
    if len(at) > MAX_DEPTH:
        yield Finding(at, "the file is nested too deeply", hint="flatten it")
    elif isinstance(value, dict):
        for key, member in cast("dict[str, Any]", value).items():
            yield from _unsound(key, at)
            yield from _unsound(member, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _unsound(item, (*at, index))
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            yield Finding(at, "a text holds half of a surrogate pair", ascii(value), "write the character itself")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Finding(at, "a number is not finite", str(value), "write a finite number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield Finding(at, "a number does not fit in 64 bits", str(value)[:40], "write a smaller number")
