"""Reads a small YAML or JSON file into plain values and remembers the line of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import msgspec

from terret.errors import ConfigError

Keys = tuple[str | int, ...]
"""The way from the root of a document to one of its values."""

MAX_BYTES = 1024 * 1024
_MAX_VALUES = 50_000
_MAX_DEPTH = 12


class Document(msgspec.Struct):
    """A parsed file: its name for messages, its text, its value, and the lines (from 1) of its values."""

    name: str
    text: str
    value: Any = None
    lines: dict[Keys, int] = msgspec.field(default_factory=dict[Keys, int])

    def line(self, at: Keys) -> int:
        """The line of a value, or of the nearest one around it."""
        return next((self.lines[at[:size]] for size in range(len(at), -1, -1) if at[:size] in self.lines), 1)


def read_document(file: Path, what: str = "policy file") -> Document:
    """Parse a file; errors call it ``what``.

    Raises:
        ConfigError: It cannot be read, or is neither YAML nor JSON.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"the {what} is too large", where=str(file), hint=f"keep it below {MAX_BYTES} bytes")
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"the {what} does not exist", where=str(file), hint="check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"the {what} is not UTF-8 text", value=f"byte {error.start}", where=str(file)) from None
    except OSError as error:
        raise ConfigError(f"the {what} cannot be read: {error.strerror}", where=str(file)) from None
    except ValueError as error:
        raise ConfigError(f"the {what} has an impossible name: {error}", value=str(file)) from None
    return parse_document(text, str(file))


def parse_document(text: str, name: str) -> Document:
    """Parse the text of a file called ``name``; JSON by its suffix, YAML otherwise.

    Raises:
        ConfigError: It is neither YAML nor JSON.
    """
    import yaml

    document = Document(name, text)
    is_json = name.endswith(".json")
    if is_json:
        try:
            document.value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"the file is not JSON: {error.msg}", where=f"{name}:{error.lineno}") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the file is not JSON: {error}", where=name) from None
    try:
        # YAML reads JSON too, and knows the lines; a tab between two values is all it minds.
        loader = cast("Any", yaml.SafeLoader(text.replace("\t", " ") if is_json else text))
        try:
            node = loader.get_single_node()
            built = None if node is None else _Builder(loader, document).build(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = name if mark is None else f"{name}:{mark.line + 1}"
        reason = error.problem or error.context or "it cannot be parsed"
        raise ConfigError(f"the file is not YAML: {reason}", where=where, hint="mend the syntax") from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        raise ConfigError(f"the file is not YAML: {getattr(error, 'reason', error)}", where=f"{name}:{line}") from None
    except RecursionError:
        raise ConfigError("the file is nested too deeply", where=name, hint="flatten it") from None
    if not is_json:
        document.value = built
    return document


class _Builder:
    """Turns YAML nodes into plain values."""

    def __init__(self, loader: Any, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._count = 0

    def build(self, node: Any, at: Keys) -> Any:
        import yaml

        self._count += 1
        if self._count > _MAX_VALUES or len(at) > _MAX_DEPTH:
            raise self._refused(node, "the file has too many values or is nested too deeply")
        self._document.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*at, index)) for index, item in enumerate(cast("list[Any]", node.value))]
        if not isinstance(node, yaml.MappingNode):
            try:
                return self._loader.construct_object(node)
            except (yaml.YAMLError, ValueError, KeyError, IndexError):
                raise self._refused(node, "a value cannot be read as its type") from None
        members: dict[str, Any] = {}
        for key, value in cast("list[tuple[Any, Any]]", node.value):
            if key.tag != "tag:yaml.org,2002:str":
                raise self._refused(key, "a key is not plain text")
            name = str(key.value)
            if name in members:
                raise self._refused(key, "a key is given twice", name)
            self._document.lines[*at, name] = key.start_mark.line + 1
            members[name] = self.build(value, (*at, name))
        return members

    def _refused(self, node: Any, message: str, value: object = None) -> ConfigError:
        where = f"{self._document.name}:{node.start_mark.line + 1}"
        return ConfigError(message, value=value, where=where, hint="write plain texts, lists and mappings")
