"""The rule table: what a person says, and which responsibility would have made it unnecessary."""

from __future__ import annotations

import re

import msgspec

RESPONSIBILITIES = (
    "task specification",
    "context selection",
    "tool access",
    "project memory",
    "task state",
    "observability",
    "failure attribution",
    "verification",
    "permissions",
    "entropy auditing",
    "intervention recording",
)
"""The eleven responsibilities, as ``harness_gap`` names them."""

BURDEN = (
    "none: nothing was said",
    "a word or a click",
    "an explanation, or work of minutes",
    "the person did or checked the work",
)
"""What each burden, 0-3, means."""


class Rule(msgspec.Struct, frozen=True):
    """A rule over the text: fits when one of ``patterns`` is found at a word's beginning, ignoring case."""

    name: str
    patterns: tuple[str, ...]
    harness_gap: str
    burden: int
    substantive: bool = True
    avoidable: bool = True

    def compiled(self) -> re.Pattern[str]:
        """The patterns as one."""
        return re.compile(rf"(?<![\w/.-])(?:{'|'.join(self.patterns)})", re.IGNORECASE | re.DOTALL)


_CODE = r"(?:pyi?|jsx?|tsx?|mjs|cjs|json|ya?ml|toml|cfg|ini|md|rst|txt|html|css|sh|c|h|cpp|rs|go|java|rb)\b"
_FILE = rf"(?:[\w-]+/)*[\w-]+\.{_CODE}"
_PROGRAM = (
    r"(?:pytest|npm|npx|yarn|pnpm|node|make|tox|nox|ruff|cargo|go (?:test|build)"
    r"|python3?|pip|uv|bash|sh|git|cmake|gradle|mvn)\b"
)
_SYMPTOM = (
    r"(?:tests?|assertion|error|exception|traceback|failure|stack ?trace|crash|output|message|\w+(?:error|exception))\b"
)
_SAYING = (
    r"(?:means?|because|due to|caused by|comes from|says that|tells you|is about|happens when"
    r"|points (?:to|at)|is raised (?:by|when)|since)\b"
)
_RESIDUE = (
    r"(?:debug\w*|print\w*|console\.log|todos?|temp\w*|scratch|left-?overs?|unused|dead code|commented|residue"
    r"|backup|stray|\.orig|\.bak|unrelated|duplicate[sd]?)\b"
)
_LOG = r"(?:logs?|output|traceback|error(?: message)?|stack ?trace|trace|console)\b"
_PLACE = (
    r"(?:look|see|check|open|read|edit|change|fix|go|start|it is|it's|it lives|bug|problem|code|function|defined"
    r"|implemented|found|located|there)\b"
)

RULES: tuple[Rule, ...] = (
    Rule(
        "grants a permission",
        (
            r"you (?:may|are allowed|have (?:my )?permission|can go ahead)\b",
            r"i (?:allow|approve|permit|authori[sz]e)\b",
            r"(?:permission |access )?(?:is )?granted\b",
            r"(?:go ahead|approved|denied|not allowed)\b",
            r"(?:do not|don't) run that\b",
        ),
        "permissions",
        1,
        substantive=False,
        avoidable=False,
    ),
    Rule(
        "repeats known facts",
        (
            r"as (?:i|we) (?:said|told|mentioned|explained)\b",
            r"(?:i|we) (?:already|just) (?:said|told|mentioned|explained)\b",
            r"like last time\b|as (?:last time|before|always)\b",
            r"remember\b",
            r"known (?:issue|failure|problem|bug|flake)\b",
            r"(?:always|usually) fails\b|has (?:always|long) (?:failed|been)\b",
            r"in this (?:project|repo|repository|codebase) we\b",
            r"our convention\b|by convention\b|(?:was|is) documented in\b",
        ),
        "project memory",
        2,
    ),
    Rule(
        "removes residue",
        (rf"(?:removed?|deleted?|drop|clean(?:ed)? up|get rid of|take out|undo|revert(?:ed)?)\b.{{0,60}}?{_RESIDUE}",),
        "entropy auditing",
        2,
    ),
    Rule(
        "verifies behaviour",
        (
            r"(?:i|we) (?:\w+ )?(?:ran|run|checked|verified|tested|tried|confirmed|reproduced)\b",
            r"works (?:now|for me|fine)\b|it works\b|does(?:n't| not) work\b",
            r"still (?:broken|fails?|failing|wrong|red|crashes|not working)\b",
            r"tests? (?:now )?(?:pass|passes|are green)\b",
            r"looks (?:right|correct|good|wrong)\b|not fixed\b|confirmed\b",
        ),
        "verification",
        3,
    ),
    Rule(
        "interprets a failure",
        (rf"{_SYMPTOM}.{{0,80}}?{_SAYING}", r"(?:root )?cause is\b", r"fails because\b"),
        "failure attribution",
        2,
    ),
    Rule(
        "shows an output",
        (
            rf"here (?:is|are) the {_LOG}",
            rf"(?:look at|see|check|read) the {_LOG}",
            r"(?:logs?|console|output) (?:says?|shows?)\b",
            r"traceback \(most recent call last\)",
        ),
        "observability",
        2,
    ),
    Rule(
        "corrects a command",
        (
            r"(?:wrong|right|correct) command\b",
            rf"(?:use|run|call|type|try|with)\b[\s:`'\"]*(?:the )?[`'\"]?{_PROGRAM}",
            rf"{_PROGRAM}.{{0,40}}?\b(?:instead|rather than|not)\b",
            r"(?:test |build |lint )?command (?:is|should be)\b",
            r"the (?:tool|flag|option|argument) (?:is|should be)\b|there is a tool\b",
        ),
        "tool access",
        1,
    ),
    Rule(
        "names progress or next step",
        (
            r"you(?: have|'ve)? already (?:did|done|read|tried|ran|edited|fixed|looked)\b",
            r"(?:next|now) (?:step|you should)\b",
            r"you are (?:going in circles|repeating|looping)\b|stop repeating\b",
            r"you forgot\b|go back to\b|you (?:still )?have not\b",
        ),
        "task state",
        1,
    ),
    Rule(
        "restates the goal",
        (
            r"the (?:goal|task|point|aim|objective|requirement|idea) (?:is|was)\b",
            r"(?:i|we) (?:want|need|meant|asked)\b|what (?:i|we) (?:want|need|asked|meant)\b",
            r"you (?:are|were) (?:supposed|asked) to\b",
            r"(?:it|function|api|user|page|result|output|response|behaviou?r) (?:must|should|has to|needs to)\b",
            r"out of scope\b|success means\b|acceptance\b",
        ),
        "task specification",
        2,
    ),
    Rule(
        "tells which file",
        (
            rf"{_PLACE}.{{0,60}}?{_FILE}",
            rf"{_FILE}.{{0,40}}?\b(?:is where|has the|contains|holds|defines|is the file)\b",
            r"(?:wrong|right|other|another) (?:file|module|folder|directory)\b",
            rf"{_FILE}\W*$",
        ),
        "context selection",
        1,
    ),
)
"""The rules over the text, in order of precedence."""
