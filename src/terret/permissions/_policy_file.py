"""From a policy file to its rules, or to everything that is wrong with it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from terret.errors import ConfigError
from terret.permissions._capability import Effect
from terret.permissions._document import Document, Keys, parse_document, read_document
from terret.permissions._policy_spec import (
    NAME,
    RESERVED,
    HarmlessSpec,
    PolicySpec,
    RuleSpec,
    primitive_hint,
    primitive_problem,
)
from terret.permissions._rule import Rule, commands_in
from terret.permissions._shell import Unparsable
from terret.task import Problem

T = TypeVar("T")


class PolicyFile(msgspec.Struct, frozen=True):
    """A policy file that was read and whose examples hold; ``lines`` maps ``rules`` and ``defaults`` to their lines."""

    name: str
    text: str
    spec: PolicySpec
    rules: tuple[Rule, ...]
    default_lines: dict[str, int] = {}

    @property
    def digest(self) -> str:
        """The SHA-256 of the text."""
        return sha256(self.text.encode()).hexdigest()


def load_policy(file: Path | str, name: str | None = None) -> PolicyFile:
    """Read a policy file (YAML or JSON) and check its examples; decisions cite it as ``name``, its path by default.

    Raises:
        ConfigError: It cannot be read or something is wrong in it; the first problem in full, with file and line.
    """
    document = read_document(Path(file))
    policy = _settled(document)
    return policy if name is None else msgspec.structs.replace(policy, name=name)


def parse_policy(text: str, name: str) -> PolicyFile:
    """As :func:`load_policy`, for a text that was read before.

    Raises:
        ConfigError: Something is wrong in it.
    """
    return _settled(parse_document(text, name))


def check_policy(file: Path | str) -> list[Problem]:
    """Every problem of a policy file; empty when there is none."""
    try:
        document = read_document(Path(file))
    except ConfigError as error:
        return [Problem(error.where or str(file), error.message, error.value, error.hint)]
    return _Reader(document).read()[1]


def _settled(document: Document) -> PolicyFile:
    policy, problems = _Reader(document).read()
    if policy is None:
        first = problems[0]
        others = f"{len(problems) - 1} more: terret policy check {document.name}" if len(problems) > 1 else None
        hint = "; ".join(part for part in (first.hint, others) if part) or None
        raise ConfigError(first.message, value=first.value, where=first.where, hint=hint)
    return policy


class _Reader:
    """Collects the problems of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def read(self) -> tuple[PolicyFile | None, list[Problem]]:
        """The policy, or nothing and why."""
        value = self.document.value
        if not isinstance(value, dict):
            self._add((), "a policy is a mapping with version and rules", value)
            return None, self.problems
        members = cast("dict[str, Any]", value)
        rules = [rule for at, spec in self._each(members, "rules", RuleSpec) if (rule := self._rule(spec, at))]
        harmless = [spec for at, spec in self._each(members, "harmless", HarmlessSpec) if self._harmless(spec, at)]
        defaults = self._defaults(members.get("defaults", {}))
        rest = {name: member for name, member in members.items() if name not in ("rules", "harmless", "defaults")}
        spec: PolicySpec | None = self._convert(rest, PolicySpec, ())
        seen: dict[str, int] = {}
        for rule in rules:
            if rule.spec.id in seen:
                self._at(rule.line, f"the id is taken by the rule on line {seen[rule.spec.id]}", rule.spec.id)
            seen.setdefault(rule.spec.id, rule.line)
        if self.problems or spec is None:
            return None, sorted(self.problems, key=self._line)
        specs = tuple(rule.spec for rule in rules)
        spec = msgspec.structs.replace(spec, rules=specs, harmless=tuple(harmless), defaults=defaults)
        lines = {name: self.document.line(("defaults", name)) for name in defaults}
        return PolicyFile(self.document.name, self.document.text, spec, tuple(rules), lines), []

    def _defaults(self, value: Any) -> dict[str, Effect]:
        if not isinstance(value, dict):
            self._add(("defaults",), "defaults is a mapping of primitives to effects", value, primitive_hint())
            return {}
        found: dict[str, Effect] = {}
        for pattern, effect in cast("dict[str, Any]", value).items():
            if wrong := primitive_problem(pattern):
                self._add(("defaults", pattern), wrong, pattern, primitive_hint())
            elif (known := self._convert(effect, Effect, ("defaults", pattern))) is not None:
                found[pattern] = known
        return found

    def _each(self, members: dict[str, Any], name: str, kind: type[T]) -> list[tuple[Keys, T]]:
        items = members.get(name, [])
        if not isinstance(items, list):
            self._add((name,), f"{name} is a list", items, "write each item after a dash")
            return []
        found: list[tuple[Keys, T]] = []
        for index, item in enumerate(cast("list[Any]", items)):
            at: Keys = (name, index)
            spec: T | None = self._convert(item, kind, at)
            if spec is not None:
                found.append((at, spec))
        return found

    def _convert(self, value: Any, kind: Any, at: Keys) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            deeper = tuple(int(part) if part.isdigit() else part for part in _path(path))
            found = self._member(value, deeper)
            self._add((*at, *deeper), message[:1].lower() + message[1:].replace("`", "'"), found)
            return None

    def _rule(self, spec: RuleSpec, at: Keys) -> Rule | None:
        before = len(self.problems)
        if not NAME.fullmatch(spec.id) or spec.id in RESERVED:
            self._add((*at, "id"), "an id is lower-case letters, digits, '.', '_' and '-'", spec.id, "such as no-push")
        if not spec.reason.strip():
            self._add((*at, "reason"), "a rule says why", spec.reason, "name what the rule protects")
        if spec.commands and spec.paths:
            self._add((*at, "paths"), "a rule is about commands or about paths", spec.id, "make it two rules")
        if not (spec.commands or spec.paths or spec.primitives):
            self._add(at, "a rule needs commands, paths or primitives", spec.id)
        if spec.unless and not (spec.commands or spec.paths):
            self._add((*at, "unless"), "unless needs commands or paths", spec.id)
        for index, pattern in enumerate(spec.primitives):
            if wrong := primitive_problem(pattern):
                self._add((*at, "primitives", index), wrong, pattern, primitive_hint())
        for field in ("commands", "paths", "unless"):
            for index, pattern in enumerate(cast("tuple[str, ...]", getattr(spec, field))):
                if wrong := _pattern_problem(pattern, command=bool(spec.commands)):
                    self._add((*at, field, index), wrong, pattern)
        if len(self.problems) > before:
            return None
        rule = Rule(spec, self.document.line((*at, "id")))
        self._examples(rule, at)
        return rule

    def _examples(self, rule: Rule, at: Keys) -> None:
        for field, wanted in (("match", True), ("not_match", False)):
            for index, example in enumerate(cast("tuple[str, ...]", getattr(rule.spec, field))):
                try:
                    if rule.fits(example) == wanted:
                        continue
                except Unparsable as error:
                    self._add((*at, field, index), f"the example cannot be read: {error}", example)
                    continue
                says = "does not match this example" if wanted else "matches this example, which it should not"
                self._add((*at, field, index), f"the rule {rule.spec.id} {says}", example, "mend the pattern")

    def _harmless(self, spec: HarmlessSpec, at: Keys) -> bool:
        good = True
        for index, option in enumerate(spec.options):
            if not option.startswith("-") or option.strip("-*") == "":
                self._add((*at, "options", index), "a harmless option begins with '-' and has a name", option)
                good = False
        try:
            words = commands_in(spec.command)
        except Unparsable:
            words = ()
        if len(words) != 1 or words[0].literal is None:
            self._add((*at, "command"), "this is not a plain command", spec.command, "such as 'git status'")
            return False
        return good

    def _member(self, value: Any, at: Keys) -> Any:
        for key in at:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value if isinstance(value, str | int | float | bool) else None

    def _add(self, at: Keys, message: str, value: object = None, hint: str | None = None) -> None:
        self._at(self.document.line(at), message, value, hint)

    def _at(self, line: int, message: str, value: object = None, hint: str | None = None) -> None:
        self.problems.append(Problem(f"{self.document.name}:{line}", message, value, hint))

    def _line(self, problem: Problem) -> int:
        return int(problem.where.rpartition(":")[2])


def _path(text: str) -> list[str]:
    """The keys of a msgspec path such as ``.rules[0].id``."""
    return [part for part in text.rstrip("`").replace("[", ".").replace("]", "").split(".") if part not in ("", "...")]


def _pattern_problem(pattern: str, *, command: bool) -> str | None:
    if not pattern.strip():
        return "a pattern is empty"
    if command:
        words = pattern.split()
        return "a command pattern begins with the program" if words[0].startswith("-") else None
    if pattern.startswith("/") or ".." in pattern.split("/") or "\0" in pattern:
        return "a path pattern is relative to the repository, without '..'"
    return None
