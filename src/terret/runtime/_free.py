"""The ``free`` image: the model chooses among all tools of its level, one conversation from start to end."""

from __future__ import annotations

import msgspec

from terret.context import compact
from terret.models import Action, Dialect, FormatError, Message, Reply, Sampling
from terret.observe import sensorium, view_of
from terret.runtime._agent import Agent, Question
from terret.runtime._prompts import describe, support
from terret.runtime._stop import Stop
from terret.runtime._transcript import Transcript
from terret.tools import ToolFailure, ToolResult, condense

_ROLE = (
    "You are a software engineer. You work in the repository at /workspace and change it until the task is done. "
    "You act through the actions below, you see the result of each, and {help}."
)
_ALONE = "nobody else will help you"
_ATTENDED = "a person can be asked with ask_human what only a person can know; find out the rest yourself"

_AGAIN = (
    "You have done exactly this before, with the same result. Repeating it will not help: look at something else, or "
    "change something."
)

WARM = 0.7
"""Temperature of the next reply once the agent repeats itself: at 0 it would repeat itself for ever."""


KEPT_OF_REFUSED = 4000
"""Characters of a refused reply that stay in the conversation."""


class FreeImage:
    """One transcript, any tool.

    Args:
        agent: The agent it drives.
        dialect: How actions are written.
        sampling: How replies are drawn.
        window: The model's context window in tokens.
    """

    name = "free"

    def __init__(self, agent: Agent, dialect: Dialect, sampling: Sampling, window: int) -> None:
        self._agent = agent
        self._dialect = dialect
        self._sampling = sampling
        self._limit = int(window * 0.9) - sampling.max_tokens
        self._transcript = Transcript()
        self._decisions: list[Message] = []

    async def ask(self) -> Question:
        """Continue the conversation."""
        fresh = not self._transcript.messages
        if fresh:
            await self._open()
        for said in self._agent.tell():
            self._decisions.append(Message("user", said))
            self._transcript.append(self._decisions[-1])
        if not fresh and self._transcript.tokens > self._limit:
            self._compact()
        sampling = self._sampling
        if self._agent.repetition.warned or self._agent.format_errors > 1:
            seed = (sampling.seed or 0) + self._agent.kernel.turn
            sampling = msgspec.structs.replace(sampling, temperature=max(WARM, sampling.temperature), seed=seed)
        return Question(self._transcript, self._dialect, sampling, self._agent.specs)

    async def consider(self, reply: Reply, actions: tuple[Action, ...]) -> tuple[Action, ...] | FormatError:
        """Every well-formed action is taken."""
        return actions

    async def rejected(self, reply: Reply, error: FormatError) -> None:
        """Tell the model what was wrong with its reply."""
        text, _ = condense(reply.text or _shown(reply) or "(an empty reply)", KEPT_OF_REFUSED)
        self._transcript.append(Message("assistant", text))
        self._transcript.append(Message("user", error.message))

    async def observed(self, reply: Reply, results: list[tuple[Action, ToolResult]]) -> None:
        """Show the results."""
        said = Message("assistant", reply.text, tool_calls=reply.tool_calls)
        self._transcript.append(said)
        if any(action.tool == "update_task_state" for action, _ in results):
            self._decisions.append(said)
        for action, result in results:
            text = result.text if result.ok else f"FAILED: {result.text}"
            self._transcript.append(self._dialect.feedback(action, text or "(no output)"))
        if self._agent.repetition.warned:
            self._transcript.append(Message("user", _AGAIN))
        if self._agent.level == "H3":
            view = view_of(self._agent.kernel.recorder.seen())
            self._transcript.append(Message("user", sensorium(view)))

    async def _open(self) -> None:
        agent = self._agent
        role = _ROLE.format(help=_ATTENDED if "ask_human" in agent.tools else _ALONE)
        system = "\n\n".join(
            part for part in (role, self._dialect.instructions(agent.specs), support(agent.task, agent.level)) if part
        )
        listing = await self._listing()
        user = f"{describe(agent.task)}\n\nFiles of the repository:\n{listing}"
        items = agent.support.ranking[:12]
        if items:
            ranked = "\n".join(f"- {item['path']}:{item['start']}-{item['end']} ({item['reason']})" for item in items)
            user += f"\n\nLikely places, best first (see harness/context_protocol.md):\n{ranked}"
        self._transcript.append(Message("system", system))
        self._transcript.append(Message("user", user))
        agent.offer([dict(item) for item in items], self._transcript.tokens, self._limit, [])

    async def _listing(self) -> str:
        try:
            entries = await self._agent.kernel.list(".", 2)
        except ToolFailure as failure:
            return f"(not listed: {failure.message})"
        return "\n".join(entry.path + ("/" if entry.kind == "dir" else "") for entry in entries[:200])

    def _compact(self) -> None:
        """Leave out the oldest turns but those with a decision; what is left out stays readable under its digest."""
        messages: list[Message] = self._transcript.messages
        pinned = [index for index, message in enumerate(messages) if any(message is kept for kept in self._decisions)]
        reader = "read_output" if "read_output" in self._agent.tools else ""
        shorter = compact(messages, limit_tokens=int(self._limit * 0.7), pinned=pinned, reader=reader)
        transcript = Transcript(shorter.kept)
        if transcript.tokens > self._limit:
            raise Stop("context_exceeded")
        kernel = self._agent.kernel
        for entry in shorter.dropped:
            kernel.recorder.journal.blob_text(messages[int(entry["index"])].content)
            kernel.handles.add(str(entry["digest"]))
        self._agent.offer([], transcript.tokens, self._limit, shorter.dropped)
        self._transcript = transcript


def _shown(reply: Reply) -> str:
    """Native calls as text: a malformed one must not go back to the endpoint as a call."""
    return "\n".join(f"{call.name}({call.arguments})" for call in reply.tool_calls)
