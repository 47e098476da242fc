"""Server-sent events out of a byte stream cut anywhere."""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class SseDecoder:
    """Collects bytes and hands out the data of every event that has become complete; comments are dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._data: list[str] = []
        self._begun = False

    @property
    def pending(self) -> int:
        """Bytes and characters held back because their event is not complete."""
        return len(self._rest) + sum(map(len, self._data))

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that end in ``chunk``."""
        if not chunk:
            return []
        # A CR at the end of the last chunk already ended its line; an LF that follows belongs to it.
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return []
        text = self._rest + chunk
        self._after_cr = text.endswith(b"\r")
        lines = _LINE_END.split(text)
        self._rest = lines.pop()
        return [data for line in lines if (data := self._line(line)) is not None]

    def close(self) -> list[str]:
        """The data of a last event whose blank line never came."""
        lines = [self._rest, b""] if self._rest else [b""]
        self._rest = b""
        return [data for line in lines if (data := self._line(line)) is not None]

    def _line(self, line: bytes) -> str | None:
        if not self._begun:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._begun = True
        if not line:
            data, self._data = self._data, []
            return "\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        return None
