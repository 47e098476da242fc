"""The policy of one task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from terret.globs import Glob, PathRefused, WriteRules, normalise
from terret.permissions._decision import Decision
from terret.permissions._hosts import HostRules
from terret.permissions._run_rules import RunRules
from terret.task import Permissions

_READ: Final = Decision("allow", "default:read", "reading inside the workspace is allowed")
_PLAIN: Final = Decision("allow", "default:primitive", "this primitive needs no further authority")
_RUN: Final = Decision("allow", "default:run", "no rule denies this command")
_NETWORK: Final = Decision("allow", "network:on", "the task opens the network")
_NO_NETWORK: Final = Decision("deny", "network:off", "the task does not open the network")


class Policy:
    """Decides on primitives; pure, immutable, safe to share between threads.

    Args:
        permissions: What the task allows.
        level: The harness level; recorded, and without influence: a level changes what an agent is given, never what
            it may do.
    """

    __slots__ = ("_ask_run", "_ask_write", "_deciders", "_hosts", "_run", "_write", "level", "permissions")

    def __init__(self, permissions: Permissions, level: str = "H1") -> None:
        self.permissions = permissions
        self.level = level
        self._write = WriteRules(permissions.write, permissions.deny_write)
        self._run = RunRules(permissions.deny_run)
        self._hosts = HostRules(permissions.hosts)
        self._ask_write = tuple(Glob(pattern) for pattern in permissions.ask_write)
        self._ask_run = RunRules(permissions.ask_run)
        self._deciders: dict[str, Callable[[Mapping[str, Any]], Decision]] = {
            "fs.read": self._read,
            "fs.list": self._read,
            "fs.write": self._change,
            "fs.delete": self._remove,
            "fs.search": _plain,
            "shell.run": self._command,
            "shell.check": self._command,
            "workspace.diff": _plain,
            "workspace.restore": _plain,
            "workspace.apply": _plain,
            "model.complete": _plain,
            "human.ask": _plain,
            "human.hear": _plain,
        }

    @classmethod
    def for_task(cls, permissions: Permissions, level: str) -> Policy:
        """The policy a task's permissions amount to."""
        return cls(permissions, level)

    def decide(self, primitive: str, args: Mapping[str, Any]) -> Decision:
        """Whether ``primitive`` may act on ``args``.

        ``fs.*`` take ``path``, ``shell.*`` take ``command``, ``net.request`` takes ``url``. An unknown primitive and a
        missing or mistyped argument are denied.
        """
        decider = self._deciders.get(primitive)
        if decider is not None:
            return decider(args)
        if primitive.startswith("net."):
            if self.permissions.network:
                return _NETWORK
            return (self._hosts.decide(args) if primitive == "net.request" else None) or _NO_NETWORK
        return Decision("deny", "primitive:unknown", f"no rule knows the primitive {primitive}")

    def _read(self, args: Mapping[str, Any]) -> Decision:
        path = _path(args)
        return path if isinstance(path, Decision) else _READ

    def _change(self, args: Mapping[str, Any]) -> Decision:
        path = _path(args)
        if isinstance(path, Decision):
            return path
        refusal, pattern = self._write.verdict(path)
        if refusal is not None:
            return Decision("deny", refusal.rule, refusal.reason)
        for glob in self._ask_write:
            if glob.covers(path):
                return _asking(f"write:{glob.pattern}", "changed")
        return Decision("allow", f"write:{pattern}", "the task allows changing this path")

    def _remove(self, args: Mapping[str, Any]) -> Decision:
        path = _path(args)
        if isinstance(path, Decision):
            return path
        refusal = self._write.removal(path)
        if refusal is not None:
            return Decision("deny", refusal.rule, refusal.reason)
        for glob in self._ask_write:
            if glob.reaches_below(path):
                return _asking(f"write:{glob.pattern}", "removed")
        return self._change(args)

    def _command(self, args: Mapping[str, Any]) -> Decision:
        command = args.get("command")
        if not isinstance(command, str):
            return Decision("deny", "args:command", "the command is missing or not text")
        refusal = self._run.refusal(command)
        if refusal is not None:
            return Decision("deny", refusal.rule, refusal.reason)
        doubt = self._ask_run.refusal(command)
        return _RUN if doubt is None else _asking(doubt.rule.removeprefix("deny_"), "run")


def _asking(rule: str, what: str) -> Decision:
    return Decision("ask", f"ask_{rule}", f"the task has a person approve this before it is {what}")


def _plain(args: Mapping[str, Any]) -> Decision:
    return _PLAIN


def _path(args: Mapping[str, Any]) -> str | Decision:
    """The normalised path of the arguments, or why there is none."""
    path = args.get("path")
    if not isinstance(path, str):
        return Decision("deny", "args:path", "the path is missing or not text")
    try:
        return normalise(path)
    except PathRefused as error:
        return Decision("deny", error.refusal.rule, error.refusal.reason)
