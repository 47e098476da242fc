"""Policy files over a task's permissions: the strictest decision of any layer wins."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from terret.errors import InputError
from terret.globs import PathRefused, normalise
from terret.permissions._approvals import Approvals
from terret.permissions._capability import EFFECTS
from terret.permissions._decision import Decision
from terret.permissions._layer import NEUTRAL, Layer, Ruling, Scope
from terret.permissions._policy import Policy
from terret.permissions._policy_file import load_policy
from terret.permissions._rule import SHELL, Command, commands_in
from terret.permissions._shell import Unparsable
from terret.task import Permissions

PROJECT_FILES: Final = (".terret/policy.yaml", ".terret/policy.json")
USER_FILES: Final = ("policy.yaml", "policy.json")
_CACHED: Final = 4096
_STRICTNESS: Final = {effect: rank for rank, effect in enumerate(EFFECTS)}
_SUBJECT: Final = {
    "fs.read": "path",
    "fs.list": "path",
    "fs.write": "path",
    "fs.delete": "path",
    "shell.run": "command",
    "shell.check": "command",
}


class Decider(Protocol):
    """Anything that decides on effects, such as an organisation's policy."""

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decision:
        """Whether the primitive may act."""
        ...


class Explanation(msgspec.Struct, frozen=True):
    """A decision with everything that was said about the effect, the strictest first."""

    decision: Decision
    rulings: list[Ruling]


class LayeredPolicy(Policy):
    """A task's permissions below policy files; nothing that one layer denies can be allowed by another.

    Args:
        permissions: What the task allows.
        level: The harness level; recorded only.
        layers: Policy files, from the highest to the lowest.
        approvals: What people approved; turns ``ask`` into ``allow`` where it covers the effect.
        others: Further policies that must agree, such as an organisation's.
    """

    __slots__ = ("_cache", "_harmless", "approvals", "layers", "others")

    def __init__(
        self,
        permissions: Permissions,
        level: str = "H1",
        layers: Sequence[Layer] = (),
        approvals: Approvals | None = None,
        others: Sequence[Decider] = (),
    ) -> None:
        super().__init__(permissions, level)
        self.layers = tuple(layers)
        self.approvals = approvals or Approvals()
        self.others = tuple(others)
        # A project's own file comes with the repository: it may restrict, but not widen what an approval covers.
        self._harmless = tuple(
            spec for layer in layers if layer.scope != "project" for spec in layer.policy.spec.harmless
        )
        self._cache: dict[tuple[str, str], Decision] = {}

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decision:
        """Whether ``primitive`` may act on ``args``; see :meth:`Policy.decide`."""
        subject = args.get(_SUBJECT.get(primitive, ""))
        if not isinstance(subject, str) or self.others:
            decision = self._weigh(primitive, args)[0]
        else:
            found = self._cache.get((primitive, subject))
            if found is None:
                if len(self._cache) >= _CACHED:
                    self._cache.clear()
                found = self._cache[primitive, subject] = self._weigh(primitive, args)[0]
            decision = found
        return self._approved(primitive, args, decision) if decision.effect == "ask" else decision

    def explain(self, primitive: str, args: Mapping[str, Any]) -> Explanation:
        """The decision, and every rule that is about the effect."""
        decision, rulings = self._weigh(primitive, args)
        if decision.effect == "ask":
            decision = self._approved(primitive, args, decision)
        return Explanation(decision, sorted(rulings, key=lambda ruling: -_STRICTNESS[ruling.effect]))

    def _approved(self, primitive: str, args: Mapping[str, Any], decision: Decision) -> Decision:
        try:
            found = self.approvals.covering(primitive, args, self._harmless)
        except InputError:
            found = None
        if found is None:
            return decision
        return Decision(
            "allow", f"approved:{found.scope}", f"{found.by or 'a person'} approved it for the {found.scope}"
        )

    def _weigh(self, primitive: str, args: Mapping[str, Any]) -> tuple[Decision, list[Ruling]]:
        own = super().decide(primitive, args)
        path, commands, problem = self._taken_apart(primitive, args)
        rulings: list[Ruling] = []
        for layer in self.layers:
            rulings += layer.rulings(primitive, path, commands, problem)
        for other in self.others:
            one = other.decide(primitive, args)
            rulings.append(Ruling(one.effect, one.rule, one.reason, one.where, path or primitive))
        # An allowing rule explains the decision only when rules allow every part of it.
        rulings.insert(
            len(rulings) if _all_allowed(rulings, commands) else 0,
            Ruling(own.effect, own.rule, own.reason, "", path or primitive),
        )
        first = rulings[0]
        for ruling in rulings:
            if _STRICTNESS[ruling.effect] > _STRICTNESS[first.effect]:
                first = ruling
        if first.rule == own.rule:
            return own, rulings
        return Decision(first.effect, first.rule, first.reason, first.where), rulings

    def _taken_apart(
        self, primitive: str, args: Mapping[str, Any]
    ) -> tuple[str | None, Sequence[Command] | None, str | None]:
        """The normalised path, or the commands, or why the command cannot be taken apart."""
        if primitive in SHELL:
            text = args.get("command")
            if isinstance(text, str) and any(layer.judges_commands(primitive) for layer in self.layers):
                try:
                    return None, commands_in(text), None
                except Unparsable as error:
                    return None, None, f"the command cannot be taken apart ({error})"
            return None, (), None
        path = args.get("path")
        if isinstance(path, str):
            try:
                return normalise(path), None, None
            except PathRefused:
                return None, None, None
        return None, None, None


def default_layers(project: Path | None = None, file: Path | None = None) -> list[Layer]:
    """The policy files that apply: the user's, that of a project folder, and one given for an episode.

    Raises:
        ConfigError: One of them is invalid, or ``file`` does not exist.
    """
    return [Layer(scope, load_policy(path, name)) for scope, path, name in policy_files(project, file)]


def policy_files(project: Path | None, file: Path | None) -> list[tuple[Scope, Path, str]]:
    """Scope, path and shown name of the policy files there are; ``file`` is listed in any case."""
    base = os.environ.get("XDG_CONFIG_HOME")
    user = (Path(base) if base else Path.home() / ".config") / "terret"
    places = [_place("user", user / name, _shown(user / name)) for name in USER_FILES]
    if project is not None:
        places += [_place("project", project / name, name) for name in PROJECT_FILES]
    found = [place for place in places if place[1].exists()]
    if file is not None:
        found.append(("episode", file, str(file)))
    return found


def _place(scope: Scope, path: Path, name: str) -> tuple[Scope, Path, str]:
    return scope, path, name


def _shown(path: Path) -> str:
    """The path with the home folder as ``~``, so that a record does not tell whose it is."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def _all_allowed(rulings: Sequence[Ruling], commands: Sequence[Command] | None) -> bool:
    """Whether rules allow every command there is, so that the first of them explains an ``allow``."""
    if not commands:
        return commands is None and bool(rulings)
    allowed = {ruling.subject for ruling in rulings if ruling.effect == "allow"}
    return all(command.text in allowed or command.name in NEUTRAL for command in commands)
