"""The heuristic scanner: weighted rules over canonical text."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from terret.guard._canonical import Canonical, canonicalise
from terret.guard._types import Finding

SUSPICIOUS: Final = 25
"""Score from which a text is suspicious to the heuristics."""

MERGED_SUSPICIOUS: Final = 35
"""Score from which a text is suspicious when a model was asked as well."""

MALICIOUS: Final = 70
"""Score from which the heuristics alone call a text malicious."""

MERGED_MALICIOUS: Final = 75
"""Score from which a text is malicious when a model was asked as well."""

Grade = Literal["clean", "suspicious", "malicious"]

_I = re.IGNORECASE
_PREVIOUS = r"(?:(?:all|any|every|the|your|my|of|previous|prior|earlier|above|preceding|other|foregoing)\s+){1,4}"
_RULES: Final = (
    (
        "override_instruction",
        35,
        rf"\b(?:ignore|disregard|forget|override|bypass|skip|do not follow)\s+{_PREVIOUS}"
        r"(?:\w{1,14}\s+)?(?:\w*instructions?|\w*unstructions?|prompts?|rules|directions|guidelines|orders|messages|"
        r"context)",
    ),
    (
        "system_prompt_exfiltration",
        30,
        r"\b(?:reveal|show|print|repeat|output|display|leak|tell me)\b.{0,40}\b(?:system|hidden|initial|"
        r"developer)\s+(?:prompt|message|instructions?)",
    ),
    (
        "credential_exfiltration",
        35,
        r"\b(?:send|email|post|upload|forward|exfiltrate|transmit|leak|share|paste|print|reveal|dump|cat|echo)\b.{0,60}"
        r"\b(?:passwords?|api[ _-]?keys?|credentials?|secrets?|access[ _-]?tokens?|private[ _-]?keys?|passport|"
        r"security codes?|\.env\b|id_rsa)",
    ),
    (
        "tool_abuse_command",
        40,
        r"(?:\bcurl\b|\bwget\b)[^\n|]{0,200}\|\s*(?:ba|z|da)?sh\b|\brm\s+-rf\s+[~/]|\bos\.system\s*\(|"
        r"\bbase64\s+(?:-d|--decode)\b[^\n]{0,80}\|"
        r"|\bnc\s+-e\b|/dev/tcp/|\bchmod\s+\+x\b[^\n]{0,80}&&|>>?\s*~?/?\.?(?:bashrc|profile|zshrc)|\.git/hooks/",
    ),
    (
        "jailbreak",
        30,
        r"\b(?:jailbreak|DAN mode|do anything now|developer mode (?:enabled|on)|no longer bound|without (?:any "
        r")?restrictions)\b",
    ),
    (
        "role_override",
        25,
        r"\b(?:you are now|from now on,? you|act as (?:an?|the)|your new (?:role|task|instructions?|goal)|new "
        r"instructions?:)",
    ),
    (
        "format_injection",
        40,
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[/?INST\]|<</?SYS>>|(?:^|"
        r"\n)\s*#{2,}\s*\(?(?:system|instruction)[_ ]?(?:message|prompt)?\)?|</?(?:system|information|instructions?|"
        r"admin)>",
    ),
    ("pretend", 20, r"\b(?:pretend (?:to be|that|you)|roleplay as|imagine (?:that )?you are)\b"),
    (
        "override_rules",
        35,
        r"\b(?:this|these|following|instead)\b.{0,40}\b(?:overrides?|supersedes?|takes? precedence|has priority "
        r"over)\b|\bstrictly (?:adhere|comply|follow)\b",
    ),
    (
        "addressed_to_agent",
        18,
        r"\b(?:to you,|dear|attention,?|note to|hey|hello|hi|important message (?:from|for|to)[^\n]{0,60})\s*(?:the "
        r")?(?:ai|a\.i\.|assistant|agent|llm|language model|ai language model|gpt[-\w.]*|claude|gemini|chatbot|bot)\b",
    ),
    (
        "precondition",
        22,
        r"\b(?:before|prior to)\b[^.\n]{0,90}\b(?:you (?:can|must|need to|have to)|please (?:do|run|execute|send)|"
        r"do the following|execute the following|must first|run\b)",
    ),
    (
        "after_that_resume",
        18,
        r"\bafter (?:you do|doing|completing|that)\b[^.\n]{0,60}\b(?:you can|continue|proceed|solve|resume)\b",
    ),
    (
        "secrecy",
        22,
        r"\b(?:do not|don't|never|without)\s+(?:tell|telling|mention|mentioning|inform|informing|notify|notifying|"
        r"alert|alerting)\b.{0,40}\b(?:user|human|owner|anyone|them|him|her)\b",
    ),
)
_COMPILED = tuple(
    (name, score, re.compile(pattern, _I | (re.DOTALL if "exfil" in name else 0))) for name, score, pattern in _RULES
)
_DISGUISES = {
    "hidden": 30,
    "tags": 40,
    "lookalikes": 12,
    "escapes": 0,
    "percent": 0,
    "base64": 0,
    "hex": 0,
    "rot13": 0,
    "spelled": 0,
}
_ENCODED = ("escapes", "percent", "base64", "hex", "rot13", "spelled", "lookalikes", "hidden", "tags")
_ENCODED_BONUS = 12


class Scan(NamedTuple):
    """What a scan found: the summed score (at most 100), its grade and the findings, the heaviest first."""

    score: int
    grade: Grade
    findings: tuple[Finding, ...]


def grade(score: int, suspicious: int = SUSPICIOUS, malicious: int = MALICIOUS) -> Grade:
    """The grade of a score."""
    return "malicious" if score >= malicious else "suspicious" if score >= suspicious else "clean"


def scan(text: str | Canonical) -> Scan:
    """Score a text; a disguise weighs only as much as what it hides, except characters that nobody can see."""
    canonical = canonicalise(text) if isinstance(text, str) else text
    found: dict[str, Finding] = {}
    for place, part in enumerate((canonical.text, *canonical.decoded)):
        for name, score, pattern in _COMPILED:
            match = pattern.search(part)
            if match is None:
                continue
            bonus = _ENCODED_BONUS if place or canonical.flags.intersection(_ENCODED[-3:]) else 0
            before = found.get(name)
            if before is None or before.score < score + bonus:
                found[name] = Finding("scanner", name, evidence(match.group()), score + bonus)
    for flag in sorted(canonical.flags):
        weight = _DISGUISES[flag]
        # A soft hyphen or a flag emoji is no attack; hidden characters count only beside another finding.
        if weight and (found or flag == "tags"):
            found[flag] = Finding("scanner", f"disguise_{flag}", flag, weight)
    total = min(100, sum(item.score for item in found.values()))
    ordered = tuple(sorted(found.values(), key=lambda item: (-item.score, item.rule)))
    return Scan(total, grade(total), ordered)


def evidence(text: str) -> str:
    """A text as evidence: one line, at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:157] + "..."
