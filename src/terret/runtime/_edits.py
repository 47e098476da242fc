"""What a fork changes by hand: the workspace, the task, a reply of the model, or what the agent was shown.

The card of a fork lists its edits, and its loop makes each of them at its turn: resume and replay do the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, get_args

import msgspec

from terret.errors import ConfigError
from terret.intervention import HumanInput, classify
from terret.journal import Intervened
from terret.models import Model, Reply, Request, TokenListener
from terret.runtime._hear import Ear
from terret.runtime._kernel import Kernel

EditForm = Literal["workspace", "task", "reply", "observation"]

EDIT_FORMS: Final[tuple[EditForm, ...]] = get_args(EditForm)
"""What an edit changes: the files at the end of a turn, what the agent is asked for from then on, what the model
answered in a turn, or what the agent was first shown in it."""

_PLACE: Final[dict[EditForm, int]] = {"reply": 0, "observation": 1, "workspace": 2, "task": 2}
_SHOWN = 400


class Edit(msgspec.Struct, frozen=True):
    """One edit of a fork, about one turn.

    ``text`` is, by form, a unified diff, an objective, a reply (JSON of :class:`terret.models.Reply`) or what is shown
    to the agent, as the journal keeps a text.
    """

    form: EditForm
    turn: int
    text: dict[str, Any]

    @property
    def place(self) -> tuple[int, int]:
        """Where in the run it happens; edits of one place happen in the order of the card."""
        return self.turn, _PLACE[self.form]


def edits_of(forked_from: Mapping[str, Any]) -> list[Edit]:
    """The edits on the card of an episode."""
    return msgspec.convert(forked_from.get("edits", []), list[Edit])


class Edits:
    """Makes the edits of an episode, each once and at its turn.

    Args:
        kernel: The effect path; its model is made to give the replies that are edits.
        ear: Takes in what is applied to the workspace or said to the agent.
        edits: Those on the card.
    """

    def __init__(self, kernel: Kernel, ear: Ear, edits: Sequence[Edit]) -> None:
        self._kernel = kernel
        self._ear = ear
        self._left = list(edits)
        self.replies = {edit.turn: edit for edit in edits if edit.form == "reply"}
        """Replies that are edits, by turn."""
        if self.replies:
            kernel.model = _Answering(kernel.model, lambda: self.replies.get(kernel.turn), kernel.load)

    @property
    def left(self) -> bool:
        """Whether there are edits still to be made."""
        return bool(self._left)

    def author(self, turn: int) -> str:
        """Who chose the actions of a turn."""
        return "human" if turn in self.replies else "agent"

    async def between_turns(self) -> list[str]:
        """Make the edits at the end of this turn and at the start of the next; what the agent is to be told of them.

        Raises:
            ConfigError: A patch does not fit, or changes what the task denies.
        """
        kernel, told = self._kernel, list[str]()
        for edit in self._due(("workspace", "task"), kernel.turn):
            if edit.form == "task" and edit.turn == 0:
                # The task of the fork says so itself.
                self._note(edit, "hint", f"the task is now: {kernel.load(edit.text)}")
                continue
            refusal = await self._ear.take(_given(edit, kernel.load(edit.text)), _mark(edit), told)
            if refusal:
                raise ConfigError(f"the edit was refused: {refusal}", where=f"turn {edit.turn}")
        for edit in self._due(("reply",), kernel.turn + 1):
            text = msgspec.json.decode(kernel.load(edit.text), type=Reply).text
            self._note(edit, "takeover", f"the model's reply of turn {edit.turn} is now: {text}")
        return told

    def shown(self) -> str | None:
        """What the agent is shown instead of what came of its action; nothing when that stands."""
        found = None
        for edit in self._due(("observation",), self._kernel.turn):
            found = self._kernel.load(edit.text)
            self._note(edit, "takeover", f"what is shown in turn {edit.turn} is now: {found}")
        return found

    def _due(self, forms: tuple[EditForm, ...], turn: int) -> list[Edit]:
        if not self._left:
            return []
        due = [edit for edit in self._left if edit.turn == turn and edit.form in forms]
        self._left = [edit for edit in self._left if edit not in due]
        return due

    def _note(self, edit: Edit, form: str, text: str) -> None:
        judged = classify(form, text, self._kernel.human.context)
        text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        self._kernel.recorder.emit(
            Intervened(edit.turn, form, text, judged.substantive, judged.avoidable, judged.burden, judged.harness_gap),
            durable=True,
        )


class _Answering:
    """A model that gives the replies that are edits, and leaves the others to the real one."""

    def __init__(self, model: Model, edit: Callable[[], Edit | None], load: Callable[[dict[str, Any]], str]) -> None:
        self._model = model
        self._edit = edit
        self._load = load
        self.identity = model.identity

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        """The reply on the card, at no cost, or the model's."""
        edit = self._edit()
        if edit is None:
            return await self._model.complete(request, on_token)
        advance = getattr(self._model, "advance", None)
        if advance is not None:
            advance(1)
        return msgspec.json.decode(self._load(edit.text), type=Reply)

    async def aclose(self) -> None:
        """Close the real one."""
        await self._model.aclose()


def _given(edit: Edit, text: str) -> HumanInput:
    name = f"fork-{edit.turn}"
    if edit.form == "workspace":
        return HumanInput(name, "takeover", patch=text, by="fork")
    return HumanInput(name, "hint", text=f"The task has changed; from here on it is: {text}", by="fork")


def _mark(edit: Edit) -> str:
    return sha256(msgspec.json.encode(edit)).hexdigest()
