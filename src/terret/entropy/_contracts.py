"""Rules about who may import what, as import-linter writes them.

A rule is a contract of the type ``layers``, ``forbidden`` or ``independence``. Its modules are dotted names, or paths
and folders (with a slash or a suffix) for other languages than Python. Only direct imports are judged.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from terret.entropy._change import Change


class Contract(NamedTuple):
    """One rule: ``layers`` from top to bottom, each the modules on it; ``apart`` where those may not meet."""

    kind: str
    name: str
    layers: tuple[tuple[str, ...], ...] = ()
    apart: tuple[bool, ...] = ()
    sources: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    typing: bool = True


Rules = Sequence[str | Mapping[str, Any]]
"""Layers from top to bottom, or contracts as mappings."""


def contracts(rules: Rules, change: Change) -> list[Contract]:
    """The caller's rules and those the repository declares."""
    found: list[Contract] = []
    layers = [rule for rule in rules if isinstance(rule, str)]
    if layers:
        found += _contract({"type": "layers", "name": "layers", "layers": layers}, typing=True)
    for rule in rules:
        if not isinstance(rule, str):
            found += _contract(rule, typing=True)
    return [*found, *_from_toml(change.text("pyproject.toml")), *_from_ini(change)]


def _from_toml(text: str | None) -> list[Contract]:
    try:
        tool = tomllib.loads(text or "").get("tool", {}).get("importlinter", {})
        typing = not tool.get("exclude_type_checking_imports", False)
        return [item for rule in tool.get("contracts", []) for item in _contract(rule, typing=typing)]
    except (ValueError, AttributeError, TypeError):
        return []


def _from_ini(change: Change) -> list[Contract]:
    found: list[Contract] = []
    for path in (".importlinter", "setup.cfg"):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(change.text(path) or "")
            typing = parser.get("importlinter", "exclude_type_checking_imports", fallback="false").lower() != "true"
            for section in parser.sections():
                if section.startswith("importlinter:contract"):
                    found += _contract(dict(parser.items(section)), typing=typing)
        except configparser.Error:
            continue
    return found


def _contract(rule: Mapping[str, Any], *, typing: bool) -> list[Contract]:
    kind, name = str(rule.get("type", "")), str(rule.get("name", rule.get("type", "")))
    ignored = tuple(_pair(line) for line in _list(rule.get("ignore_imports")) if "->" in line)
    if kind == "layers":
        rows = [_layer(line) for line in _list(rule.get("layers"))]
        made: list[Contract] = []
        for container in _list(rule.get("containers")) or [""]:
            prefix = f"{container}." if container else ""
            layers = tuple(tuple(prefix + item for item in items) for items, _ in rows)
            made.append(Contract(kind, name, layers, tuple(apart for _, apart in rows), (), (), ignored, typing))
        return made
    if kind == "forbidden":
        sources, forbidden = _list(rule.get("source_modules")), _list(rule.get("forbidden_modules"))
        return [Contract(kind, name, (), (), tuple(sources), tuple(forbidden), ignored, typing)]
    if kind == "independence":
        return [Contract(kind, name, (tuple(_list(rule.get("modules"))),), (True,), (), (), ignored, typing)]
    return []


def _list(value: object) -> list[str]:
    rows = (
        value.split("\n")
        if isinstance(value, str)
        else cast(list[object], value)
        if isinstance(value, list | tuple)
        else []
    )
    return [str(row).strip() for row in rows if str(row).strip()]


def _layer(line: str) -> tuple[tuple[str, ...], bool]:
    """The modules of one layer, and whether they must not meet."""
    items = [re.sub(r"^\((.*)\)$", r"\1", part.strip()) for part in re.split(r"[|:]", line)]
    return tuple(item.strip() for item in items if item.strip()), "|" in line


def _pair(line: str) -> tuple[str, str]:
    left, _, right = line.partition("->")
    return left.strip(), right.strip()


def belongs(module: str, path: str, element: str) -> bool:
    """Whether a module or its file is an element of a rule, or lies below it."""
    if "/" in element or re.search(r"\.[cm]?[jt]sx?$|\.py$", element):
        plain = element.rstrip("/")
        return path == plain or path.startswith(plain + "/") or path.rpartition(".")[0] == plain
    return module == element or module.startswith((element + ".", element + "/"))


def verdict(contract: Contract, source: tuple[str, str], target: tuple[str, str]) -> str:
    """Why a contract forbids an import between two ``(module, path)``; empty when it does not."""
    if any(_matches(left, source) and _matches(right, target) for left, right in contract.ignored):
        return ""
    if contract.kind == "forbidden":
        hit = any(belongs(*source, item) for item in contract.sources) and next(
            (item for item in contract.forbidden if belongs(*target, item)), ""
        )
        return f"{contract.name}: {source[0]} must not import {hit}" if hit else ""
    mine, theirs = _place(contract, source), _place(contract, target)
    if mine is None or theirs is None:
        return ""
    if theirs[0] < mine[0]:
        return f"{contract.name}: {theirs[1]} lies above {mine[1]}"
    if theirs[0] == mine[0] and theirs[1] != mine[1] and contract.apart[mine[0]]:
        return f"{contract.name}: {mine[1]} and {theirs[1]} are independent"
    return ""


def _place(contract: Contract, module: tuple[str, str]) -> tuple[int, str] | None:
    found = [(at, item) for at, items in enumerate(contract.layers) for item in items if belongs(*module, item)]
    return max(found, key=lambda place: len(place[1])) if found else None


def _matches(pattern: str, module: tuple[str, str]) -> bool:
    if "*" not in pattern:
        return pattern in module
    regex = re.escape(pattern).replace(r"\*\*", r".+").replace(r"\*", r"[^.]+")
    return any(re.fullmatch(regex, item) for item in module)
