"""From a piece of human help to the responsibility of the harness that was missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import msgspec

from terret.intervention._rules import RULES, Rule

_LONG = 280
_READ = 4000
_OVERLAP = 0.7
_UNCLASSIFIED = Rule("unclassified", (), "intervention recording", 1, avoidable=False)


class Judgement(msgspec.Struct, frozen=True):
    """One piece of help, judged by ``rule``.

    ``substantive`` help contributes to the solution and turns a success into an assisted one. Help is ``avoidable``
    when a harness that met the responsibility ``harness_gap`` would have made it unnecessary.
    """

    substantive: bool
    avoidable: bool
    burden: int
    harness_gap: str
    rule: str


def classify(form: str, text: str, context: Mapping[str, Any] | None = None) -> Judgement:
    """Judge one piece of help; the first row that fits decides.

    ===  ==========================================  =======================  ===========  ==========
    no.  fits                                        harness_gap              substantive  avoidable
    ===  ==========================================  =======================  ===========  ==========
    1    form ``approval``                           permissions              no           no
    2    no text, unless form is ``takeover``        intervention recording   no           no
    3    form ``interrupt``                          intervention recording   no           no
    4    70 % of the words are in ``context.known``  project memory           yes          yes
    5    70 % are in ``context.objective``           task specification       yes          yes
    6    the first of :data:`RULES` that fits        the rule's               the rule's   the rule's
    7    nothing above                               intervention recording   yes          no
    ===  ==========================================  =======================  ===========  ==========

    The burden is the rule's (2 in rows 4 and 5, 1 in row 7), one more for a text over 280 characters, at most 3. A
    takeover has burden 3 and is always substantive. A permission is a person's to give and never avoidable; help that
    no rule knows is not counted as avoidable, because no missing responsibility was shown.

    Args:
        form: ``question``, ``approval``, ``hint``, ``takeover`` or ``interrupt``.
        text: What the person said; for a takeover, what was done. The first 4000 characters are read.
        context: ``known``: texts the harness had on record; ``objective``: what the task says.
    """
    text = text.strip()
    takeover = form == "takeover"
    if form == "approval":
        return Judgement(False, False, 1 if text else 0, "permissions", "approval")
    if not text and not takeover:
        return Judgement(False, False, 0, "intervention recording", "nothing said")
    if form == "interrupt":
        return Judgement(False, False, 1, "intervention recording", "interrupt")
    rule = _repetition(text[:_READ], context or {}) or _first(text[:_READ])
    burden = 3 if takeover else min(3, rule.burden + (len(text) > _LONG))
    return Judgement(rule.substantive or takeover, rule.avoidable, burden, rule.harness_gap, rule.name)


def _first(text: str) -> Rule:
    return next((rule for rule, pattern in _compiled() if pattern.search(text)), _UNCLASSIFIED)


@cache
def _compiled() -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, rule.compiled()) for rule in RULES)


def _repetition(text: str, context: Mapping[str, Any]) -> Rule | None:
    words = _words(text)
    if len(words) < 3:
        return None
    for name, rule in (("known", "repeats known facts"), ("objective", "restates the goal")):
        value: object = context.get(name, ())
        sources: Sequence[object] = (
            [value]
            if isinstance(value, str)
            else cast("Sequence[object]", value)
            if isinstance(value, list | tuple)
            else ()
        )
        if any(len(words & _words(text)) >= _OVERLAP * len(words) for text in sources if isinstance(text, str)):
            return next(found for found in RULES if found.name == rule)
    return None


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 2}
