"""Asks through files, for episodes that run where nobody sits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec

from terret.errors import InfrastructureError
from terret.intervention._inputs import find_inputs, put_away, read_regular
from terret.intervention._request import HumanAnswer, HumanInput, HumanRequest, limit_in_words

_ANSWER_LIMIT = 64_000
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class FileQueue:
    """A folder of requests and answers, and of what a person gives unasked.

    A request is ``NAME.request.json``; a person answers by writing ``NAME.answer.json``:
    ``{"text": "...", "approved": true, "scope": "once", "by": "name"}``, with ``text`` or ``approved``. ``NAME`` ends
    in a digest of the request, so that an answer belongs to exactly this question and these arguments. An answer that
    is not (yet) valid JSON of this shape is read again until the time is over; then the request is denied. The request
    file is removed in the end, the answer is kept. A request that is asked again after a crash has the same name.

    Unasked: ``NAME.hint`` holds a text for the agent, ``NAME.patch`` a git patch of work done (what stands before it is
    the person's comment), ``NAME.stop`` ends the episode. Each is renamed to ``....taken`` or ``....refused``.

    Args:
        folder: Made when the first request is written; must lie outside the agent's workspace.
        timeout_s: Seconds to wait unless the request says otherwise; ``None`` waits for ever.
        poll_s: Seconds between two looks.
        wait: Sleeps; ``asyncio.sleep`` by default.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        timeout_s: float | None = 3600.0,
        poll_s: float = 1.0,
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._timeout = timeout_s
        self._poll = poll_s
        self._wait = wait
        self._clock = clock

    @property
    def policy(self) -> str:
        """How a person takes part."""
        how = "a person answers questions and approvals, gives hints, patches and the order to stop"
        return f"files: {how}; {limit_in_words(self._timeout)}"

    async def poll(self) -> Sequence[HumanInput]:
        """The hints, patches and orders to stop that lie in the folder, by name."""
        return find_inputs(self.folder)

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """Rename an input's file; beside a refused one ``....reason`` says why."""
        put_away(self.folder, given, refusal)

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """Write the request and wait for its answer.

        Raises:
            InfrastructureError: The request cannot be written.
        """
        name = file_name(request)
        asked, given = self.folder / f"{name}.request.json", self.folder / f"{name}.answer.json"
        began = self._clock()
        limit = self._timeout if request.timeout_s is None else request.timeout_s
        self._write(asked, request)
        try:
            while True:
                answer, reason = _answer(given, request)
                passed = round(self._clock() - began, 3)
                if answer is not None:
                    return msgspec.structs.replace(answer, seconds=passed)
                if limit is not None and passed >= limit:
                    return HumanAnswer(
                        request.id, by="file", reason=f"no answer within {limit:g} s{reason}", seconds=passed
                    )
                await self._wait(self._poll if limit is None else min(self._poll, max(limit - passed, 0.001)))
        finally:
            with contextlib.suppress(OSError):
                asked.unlink()

    def _write(self, path: Path, request: HumanRequest) -> None:
        template: dict[str, Any] = {"text": "", "approved": False, "by": ""}
        if request.scopes:
            template["scope"] = "once"
        content = msgspec.to_builtins(request) | {
            "answer_file": path.name.replace(".request.", ".answer."),
            "answer": template,
        }
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
            partial.replace(path)
        except OSError as error:
            raise InfrastructureError(
                f"a request to a person cannot be written: {error.strerror}", where=str(path), hint="check the folder"
            ) from None


def file_name(request: HumanRequest) -> str:
    """The stem of a request's files: its id made safe, and 12 hex digits over everything it says."""
    safe = "".join(c if c in _SAFE else "_" for c in request.id)[:60] or "request"
    return f"{safe}-{sha256(msgspec.json.encode(request)).hexdigest()[:12]}"


def _answer(path: Path, request: HumanRequest) -> tuple[HumanAnswer | None, str]:
    """The answer in a file, or none and why not; the reason is empty while there is no file."""
    try:
        raw = read_regular(path, _ANSWER_LIMIT + 1)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f": {path.name} cannot be read: {error.strerror}"
    if len(raw) > _ANSWER_LIMIT:
        return None, f": {path.name} is larger than {_ANSWER_LIMIT} bytes"
    try:
        found: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, f": {path.name} is not JSON"
    if not isinstance(found, dict):
        return None, f": {path.name} is not a JSON object"
    fields = cast("dict[str, object]", found)
    text, approved, by = fields.get("text", ""), fields.get("approved", False), fields.get("by", "")
    scope = fields.get("scope", "once")
    if not isinstance(text, str) or not isinstance(approved, bool) or not isinstance(by, str):
        return None, f": {path.name} holds a member of the wrong type"
    if scope not in ("once", *request.scopes):
        return None, f": {path.name} names a scope that is not offered"
    if not text.strip() and "approved" not in fields:
        return None, f": {path.name} holds neither text nor approved"
    consent = approved and request.form == "approval"
    lasting = consent and scope == "episode"
    granted = "episode" if lasting else "once"
    return HumanAnswer(request.id, text.strip(), consent, True, by.strip() or "file", scope=granted), ""
