"""Asks the person at the controlling terminal."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from terret.intervention._request import (
    HumanAnswer,
    HumanInput,
    HumanRequest,
    is_episode,
    is_yes,
    limit_in_words,
)

_TERMINAL = Path("/dev/tty")
_TEXT_LIMIT = 4000


class TerminalQueue:
    """One question at a time on the terminal itself, so that redirected output stays clean.

    Args:
        read: Gives the next line, without its end; raises ``EOFError`` at the end of input.
        write: Shows text.
        timeout_s: Seconds to wait unless the request says otherwise; ``None`` waits for ever.
        clock: Monotonic seconds.

    A line that comes after its request timed out answers nothing, not even the next request. Without ``read`` and
    ``write``, ``/dev/tty`` is used; a process without a terminal answers none at once. An approval is given for once
    with ``y``, for the rest of the episode with ``e``. Unasked input does not come this way.
    """

    def __init__(
        self,
        read: Callable[[], str] | None = None,
        write: Callable[[str], None] | None = None,
        *,
        timeout_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read or _read_terminal
        self._write = write or _write_terminal
        self._timeout = timeout_s
        self._clock = clock
        self._turn: asyncio.Lock | None = None

    @property
    def policy(self) -> str:
        """How a person takes part."""
        return f"terminal: a person answers questions and approvals; {limit_in_words(self._timeout)}"

    async def poll(self) -> Sequence[HumanInput]:
        """Nothing: whoever wants to speak unasked interrupts the run."""
        return ()

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """Nothing to do."""

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """Show the request and read one line; an empty line answers none."""
        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            began = self._clock()
            limit = self._timeout if request.timeout_s is None else request.timeout_s
            try:
                self._write(_shown(request))
                line = await asyncio.wait_for(_in_daemon(self._read), limit)
            except TimeoutError:
                return self._none(request, began, f"no answer within {limit:g} s")
            except (OSError, EOFError):
                return self._none(request, began, "there is no terminal to ask on")
            text = line.strip()
            if not text:
                return self._none(request, began, "the person gave an empty answer")
            lasting = is_episode(text) and "episode" in request.scopes
            approved = request.form == "approval" and (lasting or is_yes(text))
            scope = "episode" if lasting else "once"
            return HumanAnswer(request.id, text, approved, True, "terminal", "", self._since(began), scope)

    def _none(self, request: HumanRequest, began: float, reason: str) -> HumanAnswer:
        return HumanAnswer(request.id, reason=reason, by="terminal", seconds=self._since(began))

    def _since(self, began: float) -> float:
        return round(self._clock() - began, 3)


def _shown(request: HumanRequest) -> str:
    """The request as terminal text that cannot drive the terminal."""
    text = _cut(request.text)
    if request.subject:
        import json

        text += "\n" + _cut(json.dumps(request.subject, ensure_ascii=True, sort_keys=True))
    plain = "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)
    choices = "y = once, e = for the rest of the episode, N" if "episode" in request.scopes else "y/N"
    prompt = f"approve? [{choices}] " if request.form == "approval" else "> "
    return f"\n[{request.form}] " + plain.replace("\n", "\n  ") + f"\n{prompt}"


def _cut(text: str) -> str:
    """At most ``_TEXT_LIMIT`` characters, and how many are left out: nobody is to approve what stays unseen unaware."""
    left_out = len(text) - _TEXT_LIMIT
    return text if left_out <= 0 else f"{text[:_TEXT_LIMIT]}\n[{left_out} more characters are not shown]"


async def _in_daemon(read: Callable[[], str]) -> str:
    """A blocking read that never keeps the process alive: a thread pool would wait for the line at exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def settle(line: str, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(line)
        else:
            done.set_exception(error)

    def work() -> None:
        line, failed = "", None
        try:
            line = read()
        except (OSError, EOFError) as error:
            failed = error
        # The loop is closed when nobody waits any more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, line, failed)

    threading.Thread(target=work, name="terret-terminal", daemon=True).start()
    return await done


def _read_terminal() -> str:
    with _TERMINAL.open(encoding="utf-8", errors="replace") as terminal:
        line = terminal.readline()
    if not line:
        raise EOFError
    return line


def _write_terminal(text: str) -> None:
    with _TERMINAL.open("w", encoding="utf-8", errors="replace") as terminal:
        terminal.write(text)
