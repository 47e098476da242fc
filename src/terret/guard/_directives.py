"""Where a text tells its reader to do something."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from terret.guard._canonical import canonicalise
from terret.guard._scan import scan

_VERBS: Final = (
    "send|email|e-mail|mail|forward|post|publish|share|upload|submit|reply|respond|message|notify|write|"
    "delete|remove|erase|cancel|clear|drop|"
    "create|make|add|append|invite|grant|give|set|put|insert|register|schedule|book|reserve|order|buy|purchase|"
    "transfer|pay|wire|refund|change|modify|update|reset|replace|edit|rename|move|increase|adjust|"
    "visit|open|click|browse|navigate|go to|download|fetch|get|retrieve|collect|read|search|find|list|look up|"
    "run|execute|install|launch|invoke|call|use|enable|disable|"
    "say|tell|recommend|mention|state|claim|announce|include|output|print|display|show|"
    "concatenate|combine|copy|summarize|summarise|extract|encode|ignore|disregard|forget|do"
)
_LEAD = (
    r"(?:(?:before|after|when|once|prior to|in order to|if|for|to)\b[^,.\n]{1,80},\s*)?"
    r"(?:(?:todo|to-do|task|action|note|important|urgent|attention|warning|instruction|instructions|step|next|first|"
    r"also|"
    r"then|finally|now|and|after that|afterwards|please|kindly|simply|just|always|immediately|you must|you should|"
    r"you need "
    r"to|you have to|must|make sure to|be sure to|remember to|(?:can|could|would) you(?: please)?|i (?:want|need) "
    r"you to|"
    r"let's|quickly|ok|okay|so|hey|hi|hello|dear|\w+,)[\s:!.,*()#>-]*)*"
)
_SPLIT = re.compile(r"[\n\r.!?:;>)\]}\"'*#|][\s\W_]*|-\s+")
_IMPERATIVE = re.compile(
    rf"[\W_]*{_LEAD}(?:{_VERBS})\b(?!\s*(?:[:=]|is\b|are\b|was\b|were\b))",
    re.IGNORECASE,
)
_OBLIGATION = re.compile(
    r"\b(?:you|agent|assistant|agents|contributors?|developers?|maintainers?)\s+(?:must|should|shall|need to|have "
    r"to|are (?:required|asked|instructed) to)\b"
    rf"|\bplease\s+(?:also\s+)?(?:{_VERBS})\b|\b(?:can|could|would) you\s+(?:please\s+)?(?:{_VERBS})\b"
    r"|\b(?:do|execute|run|perform|follow) (?:the )?following\b|\bdo not (?:tell|mention|inform)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def instructs(text: str) -> str | None:
    """The place where a text gives an instruction, or ``None``; seen through disguises."""
    canonical = canonicalise(text)
    for part in (canonical.text, *canonical.decoded):
        match = _OBLIGATION.search(part)
        if match is not None:
            return part[match.start() : match.start() + 120].strip()
        for piece in _SPLIT.split(part):
            if _IMPERATIVE.match(piece):
                return piece[:120].strip()
    found = scan(canonical)
    return found.findings[0].evidence if found.grade != "clean" else None
