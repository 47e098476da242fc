"""The rules by which a task state contradicts what was observed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from terret.state._facts import StateFacts
from terret.state._paths import among, is_file_name, paths_in, plain_path, same_file
from terret.state._state import TaskState

RULES = {
    "tests_claimed": "says that the tests pass though the last observed run failed",
    "missing_file": "names a file that does not exist",
    "step_done": "lists a next step that was already taken",
    "refuted": "keeps a hypothesis after its refutation",
    "answered": "keeps a question open that a later read can answer",
}
"""Every rule with what it finds."""


class Contradiction(msgspec.Struct, frozen=True):
    """One finding: the rule and a sentence for the agent."""

    rule: str
    text: str


def find_contradictions(state: TaskState, facts: StateFacts) -> list[Contradiction]:
    """Every contradiction, in the order of :data:`RULES`; a rule whose facts are unknown stays silent."""
    finders: dict[str, Callable[[TaskState, StateFacts], Iterator[str]]] = {
        "tests_claimed": _tests_claimed,
        "missing_file": _missing_files,
        "step_done": _steps_done,
        "refuted": _refuted,
        "answered": _answered,
    }
    return [Contradiction(rule, text) for rule, find in finders.items() for text in dict.fromkeys(find(state, facts))]


def contradictions(state: TaskState, facts: StateFacts) -> list[str]:
    """The sentences of :func:`find_contradictions`."""
    return [found.text for found in find_contradictions(state, facts)]


_CLAIM = re.compile(
    r"\b(?:all |the |every )*(?:\w+ )?(?:tests?|test suite|suite|checks?)\b(?: \w+){0,2}? (?:now |already |all )*"
    r"(?:pass|passes|passed|passing|succeed|succeeds|succeeded|(?:is|are) green)\b"
    r"(?=\s*(?:$|[.,;:!)]|(?:now|again|after|with|without|and|as|since|on|in|here|there|too|locally|already)\b))"
    r"|\ball green\b",
    re.IGNORECASE,
)
_UNCLAIMED = re.compile(
    r"\b(?:not|n't|never|no|until|unless|if|when|whether|should|would|could|will|may|might|must|make|made|makes|get|let|"
    r"expect|want|need|so that|to (?=pass|succeed)|before|does|do|did|why|except)\b|n't\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?<=[.;!?])\s+|,\s+(?=(?:and|but|so|then)\b)")
_MAKING = re.compile(
    r"\b(?:creat|add|mak|writ|new|delet|remov|renam|missing|absent|no such|not exist|gone)\w*", re.IGNORECASE
)
_READING = re.compile(r"\b(?:read|open|inspect|look (?:at|into)|view|examine|review|check out)\b", re.IGNORECASE)
_RUNNING = re.compile(r"\b(?:run|execute|rerun|re-run)\b", re.IGNORECASE)
_CREATING = re.compile(
    r"\b(?:create|add (?:the |a )?(?:new )?(?:file|test file)|write (?:the |a )?(?:new )?file)\b", re.IGNORECASE
)
_CONTENT = re.compile(r"^(?:what|where|which|does|is there|are there|how is|how are|who)\b", re.IGNORECASE)
_AGAIN = re.compile(r"\b(?:again|rest of|more of|once more|re-?read|carefully|other|remaining)\b", re.IGNORECASE)


def _tests_claimed(state: TaskState, facts: StateFacts) -> Iterator[str]:
    if facts.last_run is not False:
        return
    run = f" ({_short(facts.last_command)})" if facts.last_command else ""
    for text in (state.hypothesis, *state.decisions):
        for clause in _CLAUSE.split(text):
            if _CLAIM.search(clause) and not _UNCLAIMED.search(clause):
                yield f'"{_short(text)}": the last observed test run{run} failed'
                break


def _missing_files(state: TaskState, facts: StateFacts) -> Iterator[str]:
    if facts.paths is None:
        return
    known = facts.paths
    for path in state.inspected:
        plain = plain_path(path)
        if is_file_name(plain) and not among(plain, known) and not among(plain, facts.read):
            yield f"inspected {plain}: there is no such file"
    for text in (state.hypothesis, *state.next_steps):
        if _MAKING.search(text):
            continue
        for path in paths_in(text):
            if "/" in path and not among(path, known):
                yield f'"{_short(text)}": there is no file {path}'


def _steps_done(state: TaskState, facts: StateFacts) -> Iterator[str]:
    for step in state.next_steps:
        if step in state.decisions:
            yield f'next step "{_short(step)}": it is among the decisions already'
        elif not _AGAIN.search(step) and (why := _done(step, facts)):
            yield f'next step "{_short(step)}": {why}'


def _done(step: str, facts: StateFacts) -> str:
    paths = paths_in(step)
    if _RUNNING.search(step):
        ran = next((command for command in facts.ran if _names_command(step, command)), None)
        return f"{_short(ran)} ran since the last change and succeeded" if ran else ""
    if _CREATING.search(step) and paths:
        return f"{', '.join(paths)} is written already" if all(among(p, facts.written) for p in paths) else ""
    if _READING.search(step) and paths and all(among(path, facts.read) for path in paths):
        return f"{', '.join(paths)} was read already"
    return ""


def _refuted(state: TaskState, facts: StateFacts) -> Iterator[str]:
    held = _words(state.hypothesis)
    for refutation in facts.refuted:
        if held and held == _words(refutation.hypothesis):
            yield f'hypothesis "{_short(state.hypothesis)}" was refuted: {_short(refutation.evidence)}'


def _answered(state: TaskState, facts: StateFacts) -> Iterator[str]:
    for question in state.open_questions:
        if not _CONTENT.search(question):
            continue
        asked = facts.asked.get(question, 0)
        for path in paths_in(question):
            turn = next((turn for read, turn in facts.read.items() if same_file(path, read)), None)
            if turn is not None and turn > asked:
                yield f'open question "{_short(question)}": {path} was read in turn {turn}, after it was put'


def _names_command(step: str, command: str) -> bool:
    command = " ".join(command.split())
    words = rf"(?<![\w/.-]){re.escape(command)}(?=$|[`'\")]|[.,;:!]?(?:$|\s+(?:and|to|then|for|in|so|once)\b)|[,;]\s)"
    return re.search(words, " ".join(step.split())) is not None


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 100 else text[:99] + "…"
