"""Asks through files, for episodes that run where nobody sits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import cast

import msgspec

from terret.errors import InfrastructureError
from terret.intervention._request import HumanAnswer, HumanRequest

_ANSWER_LIMIT = 64_000
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class FileQueue:
    """A folder of requests and answers.

    A request is ``NAME.request.json``; a person answers by writing ``NAME.answer.json``:
    ``{"text": "...", "approved": true, "by": "name"}``, every member optional but one of the first two. ``NAME`` ends
    in a digest of the request, so that an answer belongs to exactly this question and these arguments. An answer that
    is not (yet) valid JSON of this shape is read again until the time is over; then the request is denied. The request
    file is removed in the end, the answer is kept.

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
        template = {"text": "", "approved": False, "by": ""}
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
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f": {path.name} cannot be read: {error.strerror}"
    try:
        raw = os.read(handle, _ANSWER_LIMIT + 1)
    except OSError as error:
        return None, f": {path.name} cannot be read: {error.strerror}"
    finally:
        os.close(handle)
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
    if not isinstance(text, str) or not isinstance(approved, bool) or not isinstance(by, str):
        return None, f": {path.name} holds a member of the wrong type"
    if not text.strip() and "approved" not in fields:
        return None, f": {path.name} holds neither text nor approved"
    consent = approved and request.form == "approval"
    return HumanAnswer(request.id, text.strip(), consent, True, by.strip() or "file"), ""
