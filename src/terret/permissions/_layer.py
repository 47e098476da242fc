"""One policy file in force: which of its rules are about an effect."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple

from terret.permissions._capability import EFFECTS, Effect
from terret.permissions._policy_file import PolicyFile
from terret.permissions._rule import Command, Rule

Scope = Literal["user", "project", "episode"]

NEUTRAL: Final = frozenset({"cd", "pwd", "true", "false", ":", "test", "echo", "printf"})
"""Commands that a default says nothing about, where they stand in a plain text: alone they change nothing."""


class Ruling(NamedTuple):
    """What one rule says about an effect, or about one command of it (``subject``)."""

    effect: Effect
    rule: str
    reason: str
    where: str
    subject: str


class _Plan(NamedTuple):
    """What of a layer is about one primitive."""

    plain: list[Ruling]
    paths: list[Rule]
    by_name: dict[str, list[Rule]]
    any_name: list[Rule]
    default: Ruling | None
    strictest: Ruling | None


class Layer:
    """The rules of one file at one scope.

    Args:
        scope: ``user``, ``project`` or ``episode``.
        policy: The file.
    """

    __slots__ = ("_plans", "policy", "scope")

    def __init__(self, scope: Scope, policy: PolicyFile) -> None:
        self.scope: Scope = scope
        self.policy = policy
        self._plans: dict[str, _Plan] = {}

    def judges_commands(self, primitive: str) -> bool:
        """Whether a command text has to be taken apart for this layer."""
        plan = self._plan(primitive)
        return bool(plan.by_name or plan.any_name) or plan.default is not None

    def rulings(
        self, primitive: str, path: str | None, commands: Sequence[Command] | None, problem: str | None
    ) -> list[Ruling]:
        """Every rule that is about the effect; ``problem`` says why a command text could not be taken apart."""
        plan = self._plan(primitive)
        found = list(plan.plain)
        if path is not None and plan.paths:
            removal = primitive == "fs.delete"
            found += [self._said(rule, path) for rule in plan.paths if rule.about_path(path, removal=removal)]
        if problem is not None:
            found += self._unknowable(plan, "unparsable", problem, primitive)
        elif commands is not None:
            for command in commands:
                self._command(plan, command, found)
        elif not found and plan.default is not None:
            found.append(plan.default._replace(subject=path or primitive))
        return found

    def _command(self, plan: _Plan, command: Command, found: list[Ruling]) -> None:
        if command.opaque:
            reason = f"what {command.name} runs cannot be told before it runs"
            found += self._unknowable(plan, "opaque", reason, command.text)
            return
        before = len(found)
        name = command.name
        rules = plan.by_name.get(name.rpartition("/")[2] if "/" in name else name, [])
        for rule in [*rules, *plan.any_name] if plan.any_name else rules:
            if rule.about_command(command):
                found.append(self._said(rule, command.text))
        if len(found) > before or plan.default is None or plan.plain:
            return
        if command.literal is None or name not in NEUTRAL:
            found.append(plan.default._replace(subject=command.text))

    def _plan(self, primitive: str) -> _Plan:
        plan = self._plans.get(primitive)
        if plan is None:
            plan = self._plans[primitive] = self._planned(primitive)
        return plan

    def _planned(self, primitive: str) -> _Plan:
        about = [rule for rule in self.policy.rules if rule.covers(primitive)]
        default = self._default(primitive)
        if primitive.startswith("human."):
            # Nobody can be asked whether somebody may be asked.
            about = [rule for rule in about if rule.effect != "ask"]
            default = default if default is not None and default.effect != "ask" else None
        by_name: dict[str, list[Rule]] = {}
        any_name: list[Rule] = []
        for rule in about:
            if rule.kind == "command":
                names = rule.first_words()
                if names is None:
                    any_name.append(rule)
                for name in dict.fromkeys(names or ()):
                    by_name.setdefault(name, []).append(rule)
        strict = [self._said(rule, primitive) for rule in about if rule.kind == "command"]
        strict += [] if default is None else [default]
        return _Plan(
            [self._said(rule, primitive) for rule in about if rule.kind == "primitive"],
            [rule for rule in about if rule.kind == "path"],
            by_name,
            any_name,
            default,
            max(strict, key=lambda ruling: EFFECTS.index(ruling.effect), default=None),
        )

    def _said(self, rule: Rule, subject: str) -> Ruling:
        spec = rule.spec
        return Ruling(spec.effect, f"{self.scope}:{spec.id}", spec.reason, f"{self.policy.name}:{rule.line}", subject)

    def _default(self, primitive: str) -> Ruling | None:
        """What holds where no rule of this layer does; the longest pattern counts."""
        defaults = self.policy.spec.defaults
        fitting = [pattern for pattern in defaults if fnmatchcase(primitive, pattern)]
        if not fitting:
            return None
        pattern = max(fitting, key=len)
        where = f"{self.policy.name}:{self.policy.default_lines.get(pattern, 1)}"
        reason = f"no rule is about it, and {pattern} has a default"
        return Ruling(defaults[pattern], f"{self.scope}:default", reason, where, primitive)

    def _unknowable(self, plan: _Plan, rule: str, reason: str, subject: str) -> list[Ruling]:
        """The strictest thing this layer says about any command, for one that cannot be told; never ``allow``."""
        strict = plan.strictest
        if strict is None or strict.effect == "allow":
            return []
        reason = f"{reason}, and {strict.rule} might be about it"
        return [strict._replace(rule=f"{self.scope}:{rule}", reason=reason, subject=subject)]
