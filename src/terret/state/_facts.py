"""What was really observed, as far as the task state can be held against it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from terret.journal import Attributed, CheckRan, Event, Intent, Outcome, StateUpdated

_FAILED = ("error", "timeout", "killed")


class Refutation(msgspec.Struct, frozen=True):
    """A hypothesis that an observation contradicted."""

    hypothesis: str
    evidence: str


class StateFacts(msgspec.Struct, frozen=True):
    """Observations of one episode. Turns count from 1; what is not known is left at its default.

    Args:
        paths: Files of the workspace, relative; ``None`` when not known.
        last_run: Whether the last test run or check passed; ``None`` when there was none.
        last_command: What that run was.
        read: File to the last turn in which it was read.
        written: Files written so far.
        ran: Commands that succeeded since the last change of the workspace.
        asked: Open question to the turn in which it was first put.
        refuted: Hypotheses shown wrong.
    """

    paths: Collection[str] | None = None
    last_run: bool | None = None
    last_command: str = ""
    read: Mapping[str, int] = {}
    written: Collection[str] = ()
    ran: Sequence[str] = ()
    asked: Mapping[str, int] = {}
    refuted: Sequence[Refutation] = ()


class _Gathering:
    """The facts while events are read."""

    def __init__(self, test_commands: Collection[str]) -> None:
        self.test_commands = {" ".join(command.split()) for command in test_commands}
        self.last_run: bool | None = None
        self.last_command = ""
        self.read: dict[str, int] = {}
        self.written: dict[str, None] = {}
        self.ran: list[str] = []
        self.asked: dict[str, int] = {}
        self.refuted: list[Refutation] = []
        self.hypothesis = ""
        self.edited_on = ""
        self.tree: str | None = None
        self._intents: dict[tuple[int, str], Intent] = {}

    def take(self, event: Event) -> None:
        data = event.data
        if isinstance(data, Intent):
            self._intents[event.pid, data.effect] = data
        elif isinstance(data, Outcome):
            intent = self._intents.get((event.pid, data.effect))
            if intent is not None:
                self._outcome(intent, data)
        elif isinstance(data, CheckRan):
            if data.phase == "episode" and data.type != "review":
                self._checked(data.command, data.passed)
        elif isinstance(data, StateUpdated):
            self._stated(data)
        elif isinstance(data, Attributed) and self.edited_on and data.by != "agent":
            self.refuted.append(Refutation(self.edited_on, data.observed))
            self.edited_on = ""

    def _outcome(self, intent: Intent, outcome: Outcome) -> None:
        path, command = intent.args.get("path"), intent.args.get("command")
        if intent.primitive == "fs.read" and outcome.status == "ok" and isinstance(path, str):
            self.read[path] = intent.turn
        if intent.primitive in ("fs.write", "fs.delete") and outcome.status == "ok" and isinstance(path, str):
            self.written[path] = None
            self.ran.clear()
            self.edited_on = self.hypothesis
        if outcome.tree is not None and outcome.tree != self.tree:
            if self.tree is not None:
                self.ran.clear()
            self.tree = outcome.tree
        if intent.primitive in ("shell.run", "shell.check") and isinstance(command, str):
            self._command(command, outcome)

    def _command(self, command: str, outcome: Outcome) -> None:
        if outcome.status == "ok":
            self.ran.append(command)
        plain = " ".join(command.split())
        if plain in self.test_commands or any(plain.startswith(f"{known} ") for known in self.test_commands):
            self._checked(command, True if outcome.status == "ok" else False if outcome.status in _FAILED else None)

    def _checked(self, command: str, passed: bool | None) -> None:
        if passed is not None:
            self.last_run, self.last_command = passed, command
            if passed:
                self.edited_on = ""

    def _stated(self, data: StateUpdated) -> None:
        hypothesis = data.changes.get("hypothesis")
        if isinstance(hypothesis, str) and hypothesis.strip():
            self.hypothesis = hypothesis
        questions: Any = data.changes.get("open_questions")
        for question in questions if isinstance(questions, list) else ():  # pyright: ignore[reportUnknownVariableType]
            if isinstance(question, str):
                self.asked.setdefault(question, data.turn)


def facts_of(
    events: Sequence[Event], *, paths: Collection[str] | None = None, test_commands: Collection[str] = ()
) -> StateFacts:
    """The facts that the events of an episode show.

    A hypothesis counts as refuted when a file was written while it was held and the next failure was then attributed
    by the runtime, with no passing test run in between. A command counts as a test run when it is one of
    ``test_commands``, alone or with more arguments; checks of the episode always do.
    """
    found = _Gathering(test_commands)
    for event in events:
        found.take(event)
    return StateFacts(
        paths=paths,
        last_run=found.last_run,
        last_command=found.last_command,
        read=found.read,
        written=tuple(found.written),
        ran=tuple(found.ran),
        asked=found.asked,
        refuted=tuple(found.refuted),
    )
