"""The ``guided`` image, for models too weak for a free loop.

It shows the relevant code up front, asks one small question at a time, refuses unchanged and repeated changes before
anything is run, runs the visible tests itself where the level has them, and changes the question (wording, shape,
temperature) after every failure: a small model asked the same thing at temperature 0 answers the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from terret.models import Action, FormatError, Message, Reply, Sampling, dialect
from terret.runtime._agent import Agent, Question
from terret.runtime._offer import Offered, choose_files
from terret.runtime._prompts import describe, tail, test_commands
from terret.runtime._splice import NotSpliceable, meaning, outline, specification, splice
from terret.runtime._stop import Stop
from terret.runtime._transcript import Transcript, estimate_tokens
from terret.tools import ToolFailure, ToolResult, preview

Shape = Literal["definition", "fresh", "file", "edit"]


class Ask(NamedTuple):
    """One way of asking: the shape of the reply, whether the failure is shown, and the temperature."""

    shape: Shape
    hint: bool
    temperature: float


SYSTEM = "You are an expert programmer who corrects defects. Answer in exactly the form that is asked for."

FIRST = (Ask("definition", False, 0.0), Ask("fresh", False, 0.0))
"""Plainly first; then without the defective code before its eyes, which it copies when it sees nothing wrong in it."""

THEN = (
    Ask("definition", False, 0.8),
    Ask("definition", True, 0.8),
    Ask("definition", False, 1.0),
    Ask("fresh", False, 0.8),
)
"""Round and round, each time with another seed."""

_SHAPES: dict[Shape, str] = {
    "definition": (
        "Reply with the complete corrected function (or class) in one fenced code block. Keep its name and "
        "parameters. No other text."
    ),
    "fresh": (
        "Write the function with the open body from scratch, as simply as you can. Reply with the complete function in "
        "one fenced code block. Keep its name and parameters. No other text."
    ),
    "file": "Reply with the complete corrected file in one fenced code block. No other text.",
    "edit": "Change as little as possible: reply with one search/replace block for `{path}`.",
}

_NOT_PYTHON: dict[Shape, Shape] = {"definition": "file", "fresh": "edit", "file": "file", "edit": "edit"}

WHOLE_FILE_CHARS = 9000
"""Longer files are changed by definition or by search/replace only."""


class GuidedImage:
    """One question, one change, one verdict, as long as the budget lasts.

    Args:
        agent: The agent it drives.
        sampling: ``max_tokens`` and the seed of the first question.
        window: The model's context window in tokens.
    """

    name = "guided"

    def __init__(self, agent: Agent, sampling: Sampling, window: int) -> None:
        self._agent = agent
        self._sampling = sampling
        self._limit_chars = int(min(window * 0.45, 6000) * 3)
        self._asks: Iterator[Ask] = itertools.chain(FIRST, itertools.cycle(THEN))
        self._ask = FIRST[0]
        self._files: list[Offered] = []
        self._tried: set[str] = set()
        self._failure = ""
        self._note = ""
        self._said: list[str] = []
        self._start = agent.kernel.start
        self._takeovers = 0

    async def ask(self) -> Question | None:
        """Word the next question; ``None`` when the turn was used without the model."""
        agent = self._agent
        self._said += agent.tell()
        if agent.takeovers != self._takeovers:
            self._takeovers, self._start = agent.takeovers, agent.kernel.tree
            self._files = []
        if not self._files:
            await self.prepare()
        ask = await self.next_ask()
        if ask is None:
            return None
        self._ask = ask
        target = self._files[0]
        shape = dialect("edit" if self._ask.shape == "edit" else "file", default_path=target.path)
        sampling = msgspec.structs.replace(
            self._sampling,
            temperature=self._ask.temperature,
            seed=(self._sampling.seed or 0) + agent.kernel.turn,
            max_tokens=min(self._sampling.max_tokens, estimate_tokens(len(target.text)) * 2 + 300),
        )
        form = self.form(self._ask, target.path)
        if self._ask.shape == "edit":
            form += "\n" + shape.instructions(())
        # What varies stands last: the server keeps the longest common beginning of two prompts.
        messages = [Message("system", SYSTEM), Message("user", self._question(form))]
        return Question(Transcript(messages), shape, sampling, (agent.tools["apply"].spec,))

    async def consider(self, reply: Reply, actions: tuple[Action, ...]) -> tuple[Action, ...] | FormatError:
        """Complete definitions to files; refuse what changes nothing or was tried before."""
        known = {file.path: file.text for file in self._files}
        if self._ask.shape in {"definition", "fresh"}:
            try:
                actions = tuple(self.completed(action, known) for action in actions)
            except NotSpliceable as error:
                return FormatError("not_a_definition", "F_model", str(error), "")
        for action in actions:
            if action.tool != "apply":
                continue
            try:
                changed = preview(known, action.args)
            except ToolFailure as failure:
                return FormatError(failure.kind, "F_model", failure.message, "")
            marks = {meaning(path, text) for path, text in changed.items()}
            if all(meaning(path, known.get(path, "")) in marks for path in changed):
                return FormatError("unchanged", "F_model", "the reply leaves the code as it is", "")
            if marks <= self._tried:
                return FormatError("duplicate", "F_model", "this very change was tried before and failed", "")
            self._tried |= marks
        return actions

    async def rejected(self, reply: Reply, error: FormatError) -> None:
        """Say it once in the next question, which is another one anyway."""
        self._note = f"An earlier answer was refused: {error.message}."

    async def observed(self, reply: Reply, results: list[tuple[Action, ToolResult]]) -> None:
        """Run the visible tests on the change; keep it if they pass, else take it back."""
        agent = self._agent
        self._note = ""
        failed = [result for _, result in results if not result.ok]
        if failed:
            self._note = f"An earlier answer could not be applied: {failed[0].text}"
            return
        if not await self.verify():
            await agent.kernel.restore(self._start)

    async def prepare(self) -> None:
        """Choose and offer the files, before the first question."""
        agent = self._agent
        self._files = await choose_files(agent, self._limit_chars)
        if not self._files:
            raise Stop("no_candidate", "the repository has no source file to change")
        self._tried = {meaning(file.path, file.text) for file in self._files}
        tokens = estimate_tokens(sum(len(file.text) for file in self._files))
        items = [dict(file.item) for file in self._files]
        agent.offer(items, tokens, estimate_tokens(self._limit_chars), [])

    async def verify(self) -> bool:
        """Run what the level lets the agent run; declare the task complete when it passes."""
        agent = self._agent
        commands = test_commands(agent.task) if "run" in agent.tools else []
        for command in commands:
            outcome = await agent.run_tests(command)
            if not outcome.ok:
                self._failure = tail(outcome.text)
                return False
        seen = "the visible tests pass" if commands else "changed as asked; this level has no tests to run"
        await agent.kernel.declare(seen, by="runtime")
        return True

    async def next_ask(self) -> Ask | None:
        """How to ask next."""
        for ask in self._asks:
            if ask.hint and not self._failure:
                continue
            if not self._files[0].path.endswith(".py"):
                ask = ask._replace(shape=_NOT_PYTHON[ask.shape])
            elif ask.shape == "fresh" and outline(self._files[0].text, describe(self._agent.task)) is None:
                ask = ask._replace(shape="definition", temperature=0.6)
            if ask.shape == "file" and len(self._files[0].text) > WHOLE_FILE_CHARS:
                ask = ask._replace(shape="edit")
            return ask
        raise Stop("no_candidate")

    def form(self, ask: Ask, path: str) -> str:
        """What the reply must look like."""
        return _SHAPES[ask.shape].format(path=path)

    def _question(self, form: str) -> str:
        target, *others = self._files
        parts = [describe(self._agent.task), *self._said]
        parts += [f"For reference, `{file.path}`:\n```\n{file.text.rstrip()}\n```" for file in others]
        shape = self._ask.shape
        said, code = specification(target.text) if shape in {"definition", "fresh"} else ("", target.text)
        if said:
            parts.append(f"Specification:\n{said}")
        if shape == "fresh":
            opened = outline(code, describe(self._agent.task)) or code
            parts.append(f"`{target.path}` holds this, to be written:\n```\n{opened}\n```")
        else:
            parts.append(f"`{target.path}` has a bug in this code:\n```\n{code.rstrip()}\n```")
        if self._ask.hint:
            parts.append(f"An earlier attempt to correct it failed its tests:\n```\n{self._failure}\n```")
        if self._note and self._ask.temperature > 0:
            parts.append(self._note)
        parts.append(form)
        return "\n\n".join(parts)

    def completed(self, action: Action, known: dict[str, str]) -> Action:
        """The action with whole files in the place of definitions; raises :class:`NotSpliceable`."""
        files = [
            {"path": file["path"], "content": splice(known[file["path"]], file["content"])}
            if file["path"] in known
            else file
            for file in action.args.get("files", [])
        ]
        return Action(action.tool, {**action.args, "files": files}, action.call_id)
