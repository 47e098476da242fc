"""Reading suite data, and small patches over it."""

from __future__ import annotations

from pathlib import Path

from terret.errors import SuiteError


def read_text(file: Path) -> str:
    """The text of a data file, line ends as they are.

    Raises:
        SuiteError: It is missing, unreadable or not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise SuiteError("a data file is missing", where=str(file), hint="fetch the suite's data again") from None
    except OSError as error:
        raise SuiteError(f"a data file cannot be read: {error.strerror}", where=str(file)) from None
    except UnicodeDecodeError as error:
        raise SuiteError("a data file is not UTF-8 text", value=f"byte {error.start}", where=str(file)) from None


def text_patch(path: str, old: str, new: str) -> bytes:
    """The git patch that turns the file ``path`` from ``old`` into ``new``; empty when they are equal."""
    from difflib import unified_diff

    lines = list(unified_diff(_lines(old), _lines(new), f"a/{path}", f"b/{path}"))
    if not lines:
        return b""
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return f"diff --git a/{path} b/{path}\n{body}".encode()


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
