"""Text as a reader means it: disguises removed, encoded parts decoded, in bounded time."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

MAX_CHARS: Final = 200_000
"""Characters looked at; of a longer text both ends."""

MAX_DECODED: Final = 24
"""Encoded pieces decoded in one text."""

MAX_DEPTH: Final = 2
"""How often a decoded piece is searched for encoded pieces again."""

_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|&#x?[0-9a-fA-F]{2,6};)")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){2,}|%(?:20|25|2[fF]|3[aA-dD])")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{4}){4,}(?:[A-Za-z0-9+/_-]{2,3}={0,2})?(?![A-Za-z0-9+/])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}[ :]?){10,}(?![0-9A-Za-z])")
_ROT13 = re.compile(r"rot-?13", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\f\v\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_SPELLED = re.compile(r"(?<!\w)\w(?:[ ._*-]\w){4,}(?!\w)")

# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝвкмнтАВЕКМНОРСТУХІЈЅαειοκνρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧօոսցіӏɑɡɩ",
    "aeopcyxijshdqwbkmhtABEKMHOPCTYXIJSaeioknptuxABEZHIKMNOPTYXonugilagi",
)


class Canonical(NamedTuple):
    """A text without disguise.

    ``text`` keeps line breaks and case. ``decoded`` are the texts found inside encoded pieces. ``flags`` names what
    was undone: hidden, tags, lookalikes, escapes, percent, base64, hex, rot13, spelled.
    """

    text: str
    decoded: tuple[str, ...]
    flags: frozenset[str]

    @property
    def all_text(self) -> str:
        """The text and everything decoded from it."""
        return "\n".join((self.text, *self.decoded))


@lru_cache(maxsize=1024)
def canonicalise(text: str) -> Canonical:
    """Undo disguises: compatibility forms, invisible and look-alike characters, escapes and encodings."""
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS // 2] + "\n" + text[-MAX_CHARS // 2 :]
    if text.isascii() and not _may_be_encoded(text):
        return Canonical(_SPACE.sub(" ", text), (), frozenset())
    flags: set[str] = set()
    plain = _unhide(text, flags)
    plain = _unescape(plain, flags)
    decoded = _decode(plain, flags, MAX_DEPTH)
    return Canonical(_SPACE.sub(" ", plain), tuple(decoded), frozenset(flags))


def _may_be_encoded(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_ESCAPES, _PERCENT, _BASE64, _HEX, _ROT13, _SPELLED))


def _unhide(text: str, flags: set[str]) -> str:
    if text.isascii():
        return text
    tagged = "".join(_TAGS.findall(text))
    if tagged:
        flags.add("tags")
        text = _TAGS.sub("", text) + "\n" + "".join(chr(ord(char) - 0xE0000) for char in tagged)
    text = unicodedata.normalize("NFKC", text)
    if _HIDDEN.search(text):
        flags.add("hidden")
        text = _HIDDEN.sub("", text)
    # Only words that mix scripts are folded: text in another language stays as it is.
    folded = re.sub(r"\w+", _fold, text)
    if folded != text:
        flags.add("lookalikes")
    return folded


def _fold(match: re.Match[str]) -> str:
    word = match.group()
    if word.isascii():
        return word
    changed = word.translate(_LOOKALIKES)
    return changed if changed.isascii() and len(word) > 1 else word


def _unescape(text: str, flags: set[str]) -> str:
    if _ESCAPES.search(text):
        flags.add("escapes")
        text = _ESCAPES.sub(_escape, text)
    for _ in range(2):
        if not _PERCENT.search(text):
            break
        flags.add("percent")
        text = unquote(text, errors="ignore")
    return text


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    digits = found[2:] if found[0] == "\\" else found[2:-1]
    base = 16 if found[0] == "\\" or digits[0] in "xX" else 10
    try:
        return chr(int(digits.lstrip("xX"), base))
    except (ValueError, OverflowError):
        return found


def _decode(text: str, flags: set[str], depth: int) -> list[str]:
    found: list[str] = []
    for name, pattern, decoder in (("base64", _BASE64, _from_base64), ("hex", _HEX, _from_hex)):
        for match in pattern.finditer(text):
            if len(found) >= MAX_DECODED:
                return found
            inner = decoder(match.group())
            if inner is not None:
                flags.add(name)
                found.append(inner)
    if _ROT13.search(text):
        flags.add("rot13")
        found.append(codecs.encode(text[:20_000], "rot13"))
    for match in _SPELLED.finditer(text):
        if len(found) >= MAX_DECODED:
            break
        flags.add("spelled")
        found.append(re.sub(r"[ ._*-]", "", match.group()))
    if depth > 1:
        for inner in list(found):
            found += _decode(inner, flags, depth - 1)[: MAX_DECODED - len(found)]
    return found


def _from_base64(piece: str) -> str | None:
    padded = piece.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _readable(raw)


def _from_hex(piece: str) -> str | None:
    try:
        return _readable(bytes.fromhex(re.sub(r"[ :]", "", piece)))
    except ValueError:
        return None


def _readable(raw: bytes) -> str | None:
    """The text of some bytes if they are text: printable, with a space or punctuation between letters."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    printable = sum(char.isprintable() or char in "\n\t" for char in text)
    return text if len(text) >= 8 and printable >= 0.95 * len(text) and re.search(r"[a-z]{2}", text, re.I) else None
