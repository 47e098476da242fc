"""Progress while an episode runs: a status line that follows the journal, or plain lines without a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from terret.cli._output import Output, printable
from terret.cli._story import Entry, Story
from terret.journal import Event

if TYPE_CHECKING:
    from rich.text import Text

Listener = Callable[[object], None]
"""Takes journal events and ``("token", text)`` pairs."""

TAIL = 96
"""Characters of a streaming reply that are shown."""


@contextmanager
def watching(out: Output, story: Story) -> Generator[Listener]:
    """A listener that keeps ``story`` up to date and shows its progress on stderr."""
    if out.live:
        from importlib.util import find_spec

        if find_spec("rich") is not None:
            with _following(story) as listener:
                yield listener
            return
    yield _lines(out, story)


def _lines(out: Output, story: Story) -> Listener:
    def listen(item: object) -> None:
        if isinstance(item, Event):
            entry = story.feed(item)
            if entry is not None and not out.as_json:
                out.note(entry.line())

    return listen


@contextmanager
def _following(story: Story) -> Generator[Listener]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    tail: list[str] = []
    latest = time.monotonic()

    def status() -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(printable(story.status(time.monotonic() - latest)), style="bold")
        reply = " ".join("".join(tail).split())[-TAIL:]
        return text if not reply else text.append("\n  " + printable(reply), style="dim")

    with Live(get_renderable=status, console=console, transient=True, refresh_per_second=8) as live:

        def listen(item: object) -> None:
            nonlocal latest
            if isinstance(item, Event):
                entry = story.feed(item)
                latest = time.monotonic()
                tail.clear()
                # A question on the terminal must not be overdrawn.
                if story.asking and live.is_started:
                    live.stop()
                elif not story.asking and not live.is_started:
                    live.start()
                if entry is not None:
                    console.print(_coloured(entry), soft_wrap=False, no_wrap=True, overflow="ellipsis")
            else:
                token = _token(item)
                if token:
                    tail.append(token)
                    del tail[:-TAIL]

        yield listen


def _token(item: Any) -> str:
    """The text of a ``("token", text)`` pair; empty for anything else."""
    match item:
        case ("token", str(text)):
            return text
        case _:
            return ""


def _coloured(entry: Entry) -> Text:
    from rich.text import Text

    return Text(printable(entry.line()), style={True: "green", False: "red", None: ""}[entry.ok])
