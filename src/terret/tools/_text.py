"""File content as text, and back with the line ends it had."""

from __future__ import annotations

from terret.tools._result import ToolFailure

BINARY_PROBE = 8000
"""Bytes that are looked at to tell a binary file."""


def editable(path: str, content: bytes) -> str:
    """The text of a file that is to be edited.

    Raises:
        ToolFailure: ``not_text``.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ToolFailure(
            "not_text",
            f"{path} is not UTF-8 text (byte 0x{content[error.start]:02x} at offset {error.start}); "
            "it can only be changed by a command or replaced as a whole",
        ) from None


def is_binary(content: bytes) -> bool:
    """Whether a file is no text at all."""
    return b"\0" in content[:BINARY_PROBE]


def unix(text: str) -> tuple[str, bool]:
    """The text with plain line feeds, and whether all its line ends were CRLF."""
    crlf = text.count("\r\n")
    if crlf and crlf == text.count("\n"):
        return text.replace("\r\n", "\n"), True
    return text, False


def like(original: str | None, text: str) -> str:
    """``text`` with CRLF line ends if all those of the original are."""
    if original is not None and unix(original)[1]:
        return text.replace("\r\n", "\n").replace("\n", "\r\n")
    return text


def encode(path: str, text: str) -> bytes:
    """The bytes to write.

    Raises:
        ToolFailure: ``not_text``: the text holds half of a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ToolFailure("not_text", f"the new content of {path} is not valid Unicode") from None
