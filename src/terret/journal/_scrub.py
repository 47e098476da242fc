"""Keeps secrets out of the journal: known values and well-known kinds of token become placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from terret.journal._codec import canonical, well_formed

MIN_SECRET = 6
"""Characters; a shorter value would also be found in innocent text and is not replaced."""

_MIN_SLICE = 12
"""Characters a piece of base64 needs to be telling when only part of it is fixed by the secret."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# Every token begins at a boundary, after a line break or tab that JSON spells with a letter, or after a colour code.
_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=[0-9;\[]m))"
_REST = rb"[A-Za-z0-9_.-]{10}"

_TOKENS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("AKIA", "ASIA"), r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    (("github_pat_",), r"github_pat_[A-Za-z0-9_]{22,255}"),
    (("glpat-",), r"glpat-[A-Za-z0-9_-]{20,100}"),
    (("sk-",), r"sk-(?=[A-Za-z0-9_-]{0,200}[0-9])[A-Za-z0-9_-]{20,250}"),
    (("sk_live_", "rk_live_"), r"[sr]k_live_[A-Za-z0-9]{20,250}"),
    (("xox", "xapp-"), r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,250}"),
    (("AIza",), r"AIza[A-Za-z0-9_-]{35}"),
    (("ya29.",), r"ya29\.[A-Za-z0-9_-]{20,500}"),
    (("hf_",), r"hf_[A-Za-z0-9]{30,100}"),
    (("npm_",), r"npm_[A-Za-z0-9]{36}"),
    (("pypi-AgE",), r"pypi-AgE[A-Za-z0-9_-]{50,500}"),
    (("eyJ",), r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{10,1000}"),
)
"""What betrays a token cheaply, and its shape. Lengths are bounded so that no text takes quadratic time."""

_BODY = r"(?:(?!-----)[A-Za-z0-9+/=:,.\s\\\"-]){0,16000}"
_PEM = (
    rf"-----BEGIN [A-Z0-9 ]{{0,30}}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_BODY}-----END [A-Z0-9 ]{{0,30}}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\]{{40,16000}})"
)
_AWS = r"(?P<lead>(?:aws_secret_access_key|AWS_SECRET_ACCESS_KEY)[\s\"'\\:=]{1,8})[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"
_PLAIN_MARKS = ("PRIVATE KEY", "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY")
_TOKEN_MARKS = tuple(mark for marks, _ in _TOKENS for mark in marks)
_COMMON = b" etaonisrlcdup\"m,:hfgbyvwkx.(){}[]/=;'0123456789_-jqz"
"""Bytes of code and JSON, the most frequent first."""

_SHAPES = "|".join([_START + "(?:" + "|".join(shape for _, shape in _TOKENS) + ")", _PEM])


class Scrubber:
    """Replaces secrets by ``[secret:NAME]``, or ``[secret:sha256-XXXXXXXX]`` when they have no name.

    Scrubbing twice changes nothing more. Values are also found in base64, URL-quoted and inside JSON strings.

    Args:
        values: Secret values by name; values under 6 characters are ignored.
        patterns: Also replace what looks like an AWS, GitHub, GitLab, OpenAI, Anthropic, Stripe, Slack, Google,
            Hugging Face, npm or PyPI credential, a JSON web token or a PEM private key.
    """

    def __init__(self, values: Mapping[str, str] | None = None, patterns: bool = True) -> None:
        known = {name: value for name, value in (values or {}).items() if len(value) >= MIN_SECRET}
        self._placeholders: dict[str, str] = {}
        for name, value in known.items():
            safe = _NAME.fullmatch(name) and not any(other in name for other in known.values())
            shown = f"[secret:{name}]" if safe else _anonymous(value)
            for form in _forms(value):
                self._placeholders.setdefault(form, shown)
        exact = sorted(self._placeholders, key=lambda form: (-len(form), form))
        plain = {well_formed(form) for form in exact} | set(_PLAIN_MARKS if patterns else ())
        tokens = [mark.encode() for mark in _TOKEN_MARKS] if patterns else []
        self._in_text = _sieve((mark.encode() for mark in plain), tokens, _START.encode())
        # JSON may put any escape before a token, so that its boundary cannot be told here.
        self._in_json = _sieve((canonical(mark)[1:-1] for mark in plain), tokens, b"")
        parts = [rf"(?P<kept>{'|'.join(re.escape(p) for p in self._kept())}|\[secret:sha256-[0-9a-f]{{8}}\])"]
        if exact:
            parts.append(f"(?P<exact>{'|'.join(re.escape(form) for form in exact)})")
        if patterns:
            parts += [_AWS, f"(?P<token>{_SHAPES})"]
        self._pattern = re.compile("|".join(parts))

    def _kept(self) -> list[str]:
        return sorted(set(self._placeholders.values())) or ["[secret:]"]

    def scrub(self, text: str) -> str:
        """``text`` without its secrets."""
        if self._in_text.search(text.encode("utf-8", "replace")) is None:
            return text
        return self._pattern.sub(self._replace, text)

    def touches(self, encoded: bytes) -> bool:
        """Whether canonical JSON may hold a secret; never a false no."""
        return self._in_json.search(encoded) is not None

    def _replace(self, match: re.Match[str]) -> str:
        kind = match.lastgroup
        found = match.group()
        if kind == "kept":
            return found
        if kind == "exact":
            return self._placeholders[found]
        if kind == "lead":
            lead = match.group("lead")
            return lead + _anonymous(found[len(lead) :])
        return _anonymous(found)


def _sieve(plain: Iterable[bytes], tokens: Iterable[bytes], start: bytes) -> re.Pattern[bytes]:
    """A pattern that finds any of the marks in one fast pass; those of tokens need a start and enough behind them.

    It looks for the rarest byte of every mark first and only then at what stands around it.
    """
    parts = [_rarest_first(mark) for mark in sorted(plain)] + [_rarest_first(m, start, _REST) for m in sorted(tokens)]
    return re.compile(b"|".join(parts) if parts else b"(?!)")


def _rarest_first(mark: bytes, start: bytes = b"", rest: bytes = b"") -> bytes:
    at = max(range(len(mark)), key=lambda index: (_COMMON.find(mark[index]) < 0, _COMMON.find(mark[index])))
    rare = re.escape(mark[at : at + 1])
    return rare + b"(?<=%b%b)(?=%b%b)" % (start, re.escape(mark[: at + 1]), re.escape(mark[at + 1 :]), rest)


def _anonymous(secret: str) -> str:
    return f"[secret:sha256-{sha256(secret.encode('utf-8', 'replace')).hexdigest()[:8]}]"


def _forms(value: str) -> Iterator[str]:
    """The spellings under which a value is looked for."""
    import base64
    import json
    from urllib.parse import quote, quote_plus

    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="", errors="replace")
    yield quote_plus(value, errors="replace")
    raw = value.encode("utf-8", "replace")
    for shift in range(3):
        # Inside a longer text base64 has three alignments; the characters shared with the neighbours are left out.
        whole = base64.b64encode(b"\0" * shift + raw).decode()
        first = (shift * 8 + 5) // 6
        last = (shift + len(raw)) * 8 // 6
        piece = whole[first:last]
        if len(piece) >= _MIN_SLICE:
            yield piece
            yield piece.replace("+", "-").replace("/", "_")
