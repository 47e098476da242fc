"""What each part says about a call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from terret.guard._canonical import canonicalise
from terret.guard._config import GuardConfig
from terret.guard._intent import asks_for, delegates, effects_of
from terret.guard._scan import evidence
from terret.guard._taint import Ledger, atoms_of
from terret.guard._tiers import (
    EGRESS,
    ENVIRONMENT_DUMP,
    PERSISTENT_PATHS,
    RISKY_SUFFIXES,
    SECRET_NAME,
    SECRET_PATHS,
    SUPPLY_PATHS,
    hosts_of,
    is_private,
    matches,
)
from terret.guard._types import Finding, Kind

_COMMAND_KEYS: Final = frozenset({"command", "cmd", "script", "code", "shell", "run"})
_PATH_KEY: Final = re.compile(
    r"(?:^|_)(?:path|file|filename|file_path|folder|dir|directory|cwd|target|source)s?$", re.IGNORECASE
)
_CONTENT_KEYS: Final = frozenset(
    {"content", "text", "body", "message", "subject", "description", "comment", "new", "old", "stdin"}
)
_SPLIT: Final = re.compile(r"\n|&&|\|\||;|(?<!\|)\|(?!\|)")
_HARMLESS: Final = re.compile(
    r"(?:cd|ls|pwd|cat|head|tail|wc|grep|rg|find|tree|file|stat|which|diff|sort|uniq|true|git (?:status|diff|log|"
    r"show|branch)|"
    r"(?:python[\d.]* -m )?(?:pytest|unittest|mypy|ruff(?: check)?|pyright|flake8|tox|nox)|make(?: -\w+)* (?:test|"
    r"tests|check|lint)|"
    r"(?:npm|yarn|pnpm) (?:run )?(?:test|lint)|cargo (?:test|check)|go (?:test|vet))\b[^<>`$]*"
)
"""Commands that only look, or only run tests: copying them from a document is how one works on a repository."""


_TELLING: Final = re.compile(
    r"(?:https?://|www\.)[^\s\"'<>|;)]+|[\w.-]{3,}==[\w.]+|(?<![\w./-])(?=[A-Za-z_-]*\d)[\w-]{8,}(?![\w./-])"
)
"""Words of a command that are hardly there by chance: addresses, pinned packages, long words with digits."""


def commands(args: dict[str, Any]) -> list[str]:
    """The shell texts of a call, as written and as decoded."""
    found: list[str] = []
    for key, value in args.items():
        if key.lower() in _COMMAND_KEYS and isinstance(value, str):
            canonical = canonicalise(value)
            found += [_unquote(canonical.text), *canonical.decoded]
    return found


def paths(args: dict[str, Any]) -> list[str]:
    """The path arguments of a call."""
    return [value for key, value in args.items() if isinstance(value, str) and _PATH_KEY.search(key)]


def texts(args: Any) -> Iterator[str]:
    """Every string of the arguments."""
    if isinstance(args, str):
        yield args
    elif isinstance(args, dict):
        for value in args.values():  # pyright: ignore[reportUnknownVariableType]
            yield from texts(value)
    elif isinstance(args, list | tuple):
        for value in args:  # pyright: ignore[reportUnknownVariableType]
            yield from texts(value)


def check_paths(args: dict[str, Any], kind: Kind, config: GuardConfig, task: str) -> Finding | None:
    """Tier of the paths: secrets may not be read, persistent places not be written."""
    named = [path for path in paths(args) if path not in config.allow_paths]
    shells = commands(args)
    for text in (*named, *shells):
        match = SECRET_PATHS.search(text)
        if match is not None and not _allowed(match.group(), config):
            return Finding("paths", "secret_path", evidence(match.group()))
    writes = [*(named if kind != "read" else ()), *shells]
    for text in writes:
        match = PERSISTENT_PATHS.search(text)
        if match is not None and not _allowed(match.group(), config):
            return Finding("paths", "persistent_path", evidence(match.group()))
    return None


def _allowed(found: str, config: GuardConfig) -> bool:
    return any(path in found or found.strip(" '\"=") in path for path in config.allow_paths)


def check_network(args: dict[str, Any], config: GuardConfig, trusted: Ledger) -> Finding | None:
    """Private addresses, and programs that reach for the network unasked."""
    for text in texts({key: value for key, value in args.items() if key not in _CONTENT_KEYS}):
        for host in hosts_of(text):
            if is_private(host) and matches(host, config.allow_domains) is None:
                return Finding("network", "private_address", host)
    for command in commands(args):
        match = EGRESS.search(command)
        if match is not None:
            program = " ".join(match.group("program").split())
            if trusted.trace(program).provenance != "trusted":
                return Finding("network", "egress_program", program)
    return None


def check_domains(args: dict[str, Any], config: GuardConfig) -> list[Finding]:
    """Blocked and risky domains; a risky one only weighs."""
    found: list[Finding] = []
    for text in texts(args):
        for host in hosts_of(text):
            if matches(host, config.block_domains) is not None:
                return [Finding("domains", "blocked_domain", host)]
            if matches(host, RISKY_SUFFIXES) is not None and matches(host, config.allow_domains) is None:
                found.append(Finding("domains", "risky_domain", host, 15))
    return found


def check_environment(args: dict[str, Any]) -> Finding | None:
    """Commands that show environment variables as a whole or one with a telling name."""
    for command in commands(args):
        match = ENVIRONMENT_DUMP.search(command) or SECRET_NAME.search(command)
        if match is not None:
            return Finding("secrets", "environment_dump", evidence(match.group()))
    return None


def check_intent(name: str, task: str) -> Finding | None:
    """Whether the task asks for the kind of effect a tool has, as far as its name tells."""
    if delegates(task):
        return None
    if asks_for(task, name):
        return None
    return Finding("intent", "not_asked_for", f"{name} ({', '.join(sorted(effects_of(name)))})")


def check_taint(args: dict[str, Any], kind: Kind, ledger: Ledger, strict: bool) -> Finding | None:
    """Whether a value of the call stems from untrusted content only."""
    if kind == "workspace":
        return _copied(args, ledger)
    for atom in atoms_of(args):
        if kind == "read" and not (atom.entity and "@" not in atom.value):
            continue
        if not atom.entity and atom.path.rpartition(".")[2].lower() in _CONTENT_KEYS:
            continue
        origin = ledger.trace(atom.value)
        if origin.provenance == "unknown" and atom.entity and "://" in atom.value:
            origin = ledger.trace(atom.value.split("://", 1)[1])
        if origin.provenance == "instruction":
            return Finding(
                "taint",
                "untrusted_instruction",
                evidence(f"{atom.path}={atom.value} from {origin.source}: {origin.evidence}"),
            )
        if origin.provenance == "unknown" and atom.entity:
            return Finding("taint", "unknown_destination", evidence(f"{atom.path}={atom.value}"))
        if strict and origin.provenance == "text" and (atom.entity or len(atom.value.split()) <= 4):
            return Finding(
                "taint", "untrusted_only", evidence(f"{atom.path}={atom.value} from {origin.source}: {origin.evidence}")
            )
    return None


def _copied(args: dict[str, Any], ledger: Ledger) -> Finding | None:
    for command in commands(args):
        for piece in (command, *_SPLIT.split(command)):
            piece = " ".join(piece.split()).strip("()`'\" ")
            if len(piece) < 6 or _HARMLESS.fullmatch(piece) or not re.search(r"\s", piece):
                continue
            origin = ledger.trace(piece)
            if origin.provenance in {"instruction", "text"}:
                return Finding("taint", "copied_command", evidence(f"{piece} from {origin.source}"))
        for token in _TELLING.findall(command):
            origin = ledger.trace(token)
            if origin.provenance == "instruction":
                return Finding("taint", "copied_command", evidence(f"{token} from {origin.source}"))
    path = str(args.get("path", ""))
    content = args.get("content")
    if isinstance(content, str) and SUPPLY_PATHS.search(path):
        for line in content.splitlines():
            line = line.strip()
            if len(line) < 6 or ledger.trace(line, besides=path).provenance != "instruction":
                continue
            return Finding("taint", "copied_text", evidence(f"{line} in {path}"))
    return None


def _unquote(command: str) -> str:
    r"""A command with the quoting undone that hides words from patterns: ``c''at``, ``\\cat``, ``$IFS``."""
    plain = command.replace("''", "").replace('""', "").replace("${IFS}", " ").replace("$IFS", " ")
    return re.sub(r"\\(?=[A-Za-z./])", "", plain)
