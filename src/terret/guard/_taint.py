"""Where values come from: the task, a field of a result, free text, or an instruction in free text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from terret.guard._canonical import canonicalise
from terret.guard._directives import instructs

Provenance = Literal["trusted", "field", "text", "instruction", "unknown"]
"""``trusted``: from the user or the runtime. ``field``: the whole value of a field of a structured result. ``text``:
inside untrusted prose. ``instruction``: inside untrusted prose that tells its reader to do something. ``unknown``:
in nothing that was seen, so the agent made it up."""

MAX_SOURCES: Final = 400
"""Texts kept for one conversation; the oldest untrusted ones go first."""

_EMAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_URL = r"(?:https?://|www\.)[^\s\"'<>)\]},;]+"
_ACCOUNT = r"(?<![\w-])(?=[A-Z0-9]*\d{4})[A-Z]{2}\d{2}[A-Z0-9]{8,30}(?![\w-])"
_ENTITY = re.compile(f"{_URL}|{_EMAIL}|{_ACCOUNT}", re.IGNORECASE)
_DATE = re.compile(r"[\d\s:/.T+Z-]+|\d{1,2}(?:st|nd|rd|th)?\s+\w+\s+\d{4}", re.IGNORECASE)


class Atom(NamedTuple):
    """A value of a call that can be traced: where in the arguments it stands, and whether it names a destination."""

    path: str
    value: str
    entity: bool


class _Source(NamedTuple):
    origin: str
    text: str
    trusted: bool
    instruction: bool
    field: bool


class Origin(NamedTuple):
    """Where a value was found, and the evidence."""

    provenance: Provenance
    source: str = ""
    evidence: str = ""


def atoms_of(args: Any, path: str = "") -> Iterator[Atom]:
    """The traceable values of arguments: destinations anywhere, and short strings as a whole."""
    if isinstance(args, dict):
        for key, value in args.items():  # pyright: ignore[reportUnknownVariableType]
            yield from atoms_of(value, f"{path}.{key}" if path else str(key))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(args, list | tuple):
        for value in args:  # pyright: ignore[reportUnknownVariableType]
            yield from atoms_of(value, path)
    elif isinstance(args, str):
        found = [match.group().rstrip(".!?:") for match in _ENTITY.finditer(args)]
        for value in found:
            yield Atom(path, value, entity=True)
        whole = args.strip()
        if (whole and whole not in found and len(whole) <= 200 and not _DATE.fullmatch(whole)) or (
            re.fullmatch(r"\d+", whole) and _is_identifier(path)
        ):
            yield Atom(path, whole, entity=False)
    elif isinstance(args, int) and not isinstance(args, bool) and _is_identifier(path):
        yield Atom(path, str(args), entity=False)


def _is_identifier(path: str) -> bool:
    name = path.rpartition(".")[2].lower()
    return name == "id" or name.endswith(("_id", "id_", "_ids", "number", "account"))


class Ledger:
    """The texts of one conversation, by trust."""

    def __init__(self) -> None:
        self._sources: list[_Source] = []
        self._known: set[tuple[str, str]] = set()

    def trust(self, text: str, origin: str = "task") -> None:
        """Note text of the user or the runtime."""
        self._add(_Source(origin, _flat(text), True, False, False))

    def note(self, content: Any, origin: str) -> list[str]:
        """Note untrusted content, text or JSON; returns the instructions found in it."""
        found: list[str] = []
        for leaf, within in _leaves(content):
            prose = not within or bool(re.search(r"\s", leaf))
            told = instructs(leaf) if prose and len(leaf) > 8 else None
            if told is not None:
                found.append(told)
            canonical = canonicalise(leaf)
            text = _flat(canonical.all_text)
            self._add(_Source(origin, text, False, told is not None, within and len(leaf) <= 80 and told is None))
        return found

    @property
    def tainted(self) -> bool:
        """Whether any untrusted text gave an instruction."""
        return any(source.instruction for source in self._sources)

    def trace(self, value: str, besides: str = "") -> Origin:
        """Where a value comes from; sources of origin ``besides`` do not count.

        An instruction weighs more than any other untrusted source: who can write it chose the value.
        """
        wanted = _flat(value)
        pattern = re.compile(rf"(?<![\w@]){re.escape(wanted)}(?![\w@])")
        best = Origin("unknown")
        for source in self._sources:
            if wanted not in source.text or (besides and source.origin == besides):
                continue
            match = pattern.search(source.text)
            if match is None:
                continue
            if source.trusted:
                return Origin("trusted", source.origin)
            if source.instruction and len(wanted) <= 4 and wanted.isdigit() and not _numbered(source.text, pattern):
                continue
            around = source.text[max(0, match.start() - 70) : match.end() + 50]
            if source.instruction:
                best = Origin("instruction", source.origin, around)
            elif best.provenance in {"unknown", "text"}:
                provenance: Provenance = "field" if source.field and source.text == wanted else "text"
                if provenance == "field" or best.provenance == "unknown":
                    best = Origin(provenance, source.origin, around)
        return best

    def repeats(self, text: str) -> str | None:
        """A run of words that only instructions of untrusted content have, or ``None``.

        Three words make a run when all begin with a capital, as names do; otherwise it takes five.
        """
        if not self.tainted:
            return None
        for piece in re.split(_URL, text, flags=re.IGNORECASE):
            tokens = re.findall(r"[\w@.'-]*\w", piece)
            for at in range(len(tokens) - 2):
                named = all(token[0].isupper() for token in tokens[at : at + 3])
                run = [token.lower() for token in tokens[at : at + (3 if named else 5)]]
                if (named or len(run) == 5) and sum(map(len, run)) >= 10 and self._only_told(run):
                    return " ".join(run)
        return None

    def _only_told(self, run: list[str]) -> bool:
        pattern = re.compile(r"(?<!\w)" + r"\W+".join(re.escape(word) for word in run) + r"(?!\w)")
        found = [source for source in self._sources if run[0] in source.text and pattern.search(source.text)]
        return bool(found) and all(source.instruction for source in found)

    def _add(self, source: _Source) -> None:
        key = (source.origin, source.text)
        if not source.text or key in self._known:
            return
        self._known.add(key)
        self._sources.append(source)
        if len(self._sources) > MAX_SOURCES * 20:
            oldest = next(
                (at for at, kept in enumerate(self._sources) if not kept.trusted and not kept.instruction), None
            )
            if oldest is not None:
                gone = self._sources.pop(oldest)
                self._known.discard((gone.origin, gone.text))


def _numbered(text: str, pattern: re.Pattern[str]) -> bool:
    """Whether a short number is spoken of as an identifier somewhere in a text; numbers of lists are not."""
    return any(_ID_BEFORE.search(text[max(0, match.start() - 24) : match.start()]) for match in pattern.finditer(text))


_ID_BEFORE = re.compile(r"(?:\bids?|\bnumbers?|\bno\.?|\bnr\.?|#)\W{0,4}(?:\w+\W{1,3}){0,2}$")


def _leaves(content: Any, within: bool = False) -> Iterator[tuple[str, bool]]:
    """The strings of some content, and whether each is a value inside a structure."""
    if isinstance(content, str):
        yield content, within
    elif isinstance(content, dict):
        for key, value in content.items():  # pyright: ignore[reportUnknownVariableType]
            if isinstance(key, str):
                yield key, True
            yield from _leaves(value, True)
    elif isinstance(content, list | tuple):
        for value in content:  # pyright: ignore[reportUnknownVariableType]
            yield from _leaves(value, True)
    elif content is not None and not isinstance(content, bool):
        yield str(content), True


def _flat(text: str) -> str:
    return " ".join(text.lower().split())
