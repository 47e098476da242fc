"""What every dialect does first: refuse broken text, drop the reasoning, settle the line ends."""

from __future__ import annotations

from terret.models._types import Reply
from terret.models.dialects._action import FormatError, refuse


def answer(reply: Reply) -> str | FormatError:
    """The reply's text without its reasoning.

    The reasoning (a leading ``<think>`` section, or everything up to a line ``</think>`` where the prompt opened
    it) is replaced by empty lines, so line numbers stay those of the reply. Line ends become line feeds.
    """
    text = reply.text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 40) : error.end + 40]
        return refuse("bad_unicode", f"the reply holds a broken character at position {error.start}", around)
    text = text.replace("\r\n", "\n")
    rest = _without_reasoning(text)
    if rest is None or (not rest.strip() and reply.finish == "length"):
        if reply.finish == "length":
            return refuse("truncated", "the reply was cut off before it came to an action; think less, answer shorter")
        return refuse("empty_reply", "the reply holds only reasoning; close it with </think> and then answer", text)
    if not rest.strip():
        return refuse("empty_reply", "the reply is empty")
    return rest


def _without_reasoning(text: str) -> str | None:
    start = len(text) - len(text.lstrip())
    if text.startswith("<think>", start):
        end = text.find("</think>", start)
        if end < 0:
            return None
        end += len("</think>")
    else:
        lone = text.find("\n</think>\n")
        if lone < 0 or "```" in text[:lone]:
            return text
        end = lone + len("\n</think>")
    return "\n" * text.count("\n", 0, end) + text[end:]
