"""A model that answers what an episode package recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from terret.errors import Diverged, EpisodeNotFound, JournalCorrupt, ModelContextExceeded, ScriptExhausted
from terret.models._digest import request_digest
from terret.models._types import ModelIdentity, Reply, Request, TokenListener, ToolCall, Usage

if TYPE_CHECKING:
    from terret.journal import BlobStore, Event, Intent, Outcome


class ReplayModel:
    """The model calls of an episode, in order; ``given`` counts those answered so far.

    Args:
        folder: The episode package.

    Raises:
        EpisodeNotFound: The folder is not a package.
        JournalError: Its journal cannot be read.
    """

    def __init__(self, folder: Path | str) -> None:
        from terret.journal import BlobStore, read_journal_jsonl

        self._folder = Path(folder)
        try:
            raw = (self._folder / "journal.jsonl").read_bytes()
        except OSError as error:
            hint = "name the folder of a finished episode"
            raise EpisodeNotFound(f"no journal.jsonl: {error.strerror}", where=str(folder), hint=hint) from None
        events = read_journal_jsonl(raw)
        self._blobs: BlobStore = BlobStore(self._folder / "blobs")
        self._identity = _identity(events, self._folder)
        self._calls = list(_calls(events))
        self.given = 0

    def __repr__(self) -> str:
        """The spec."""
        return f"ReplayModel({str(self._folder)!r})"

    @property
    def identity(self) -> ModelIdentity:
        """Who this is: what the recorded model was, as provider ``replay``."""
        return self._identity

    def advance(self, count: int) -> None:
        """Pass over calls that an earlier process has already been given."""
        self.given += count

    async def complete(self, request: Request, on_token: TokenListener | None = None) -> Reply:
        """The next recorded reply.

        Raises:
            ScriptExhausted: The record has no call left.
            Diverged: The request is not the recorded one.
            ModelContextExceeded: The recorded call failed with it.
            BlobMismatch: A recorded text is missing or damaged.
        """
        if self.given >= len(self._calls):
            raise ScriptExhausted("the record has no model call left", value=len(self._calls), where=str(self._folder))
        intent, outcome = self._calls[self.given]
        where = f"{self._folder}: model call {self.given}"
        asked = request_digest(request)
        if asked != intent.args.get("digest"):
            raise Diverged("the request is not the recorded one", value=asked, where=where)
        self.given += 1
        if outcome.status != "ok":
            raise ModelContextExceeded(str(outcome.result.get("message", outcome.status)), where=where)
        reply = self._reply(outcome.result, where)
        if on_token is not None and reply.text:
            on_token(reply.text)
        return reply

    async def aclose(self) -> None:
        """Nothing to free."""

    def _reply(self, result: dict[str, Any], where: str) -> Reply:
        from terret.journal import Text, load_text

        try:
            return Reply(
                text=load_text(msgspec.convert(result["text"], Text), self._blobs),
                finish=msgspec.convert(result["finish"], str),
                tool_calls=msgspec.convert(result.get("tool_calls", ()), tuple[ToolCall, ...]),
                usage=msgspec.convert(result.get("usage", {}), Usage),
                seconds=msgspec.convert(result.get("seconds", 0.0), float),
                first_token_s=msgspec.convert(result.get("first_token_s"), float | None),
                retries=msgspec.convert(result.get("retries", 0), int),
            )
        except (KeyError, msgspec.ValidationError) as error:
            raise JournalCorrupt(f"a model outcome has not the shape of a reply: {error}", where=where) from None


def _identity(events: Sequence[Event], folder: Path) -> ModelIdentity:
    from terret.journal import EpisodeOpened

    opened = next((event.data for event in events if isinstance(event.data, EpisodeOpened)), None)
    if opened is None:
        raise JournalCorrupt("the journal does not open an episode", where=str(folder))
    try:
        recorded = msgspec.convert(opened.model, ModelIdentity)
    except msgspec.ValidationError as error:
        raise JournalCorrupt(f"the recorded model identity has the wrong shape: {error}", where=str(folder)) from None
    return msgspec.structs.replace(
        recorded, spec=f"replay:{folder}", provider="replay", dialect=opened.dialect, image=opened.image
    )


def _calls(events: Sequence[Event]) -> Iterator[tuple[Intent, Outcome]]:
    from terret.journal import Intent, Outcome

    open_calls: dict[str, Intent] = {}
    for event in events:
        if isinstance(event.data, Intent) and event.data.primitive == "model.complete":
            open_calls[event.data.effect] = event.data
        elif isinstance(event.data, Outcome) and event.data.effect in open_calls:
            yield open_calls.pop(event.data.effect), event.data
