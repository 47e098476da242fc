"""The rule-based diagnosis of a set of failures."""

from __future__ import annotations

from collections.abc import Sequence

from terret.attribution._failure import Attribution, Failure, Kind

_EXPECTED: dict[Kind, str] = {
    "timeout": "the code ends within its time limit",
    "memory": "the code stays within its memory limit",
    "syntax": "the file parses",
    "import": "every imported name exists",
    "compile": "the code compiles",
    "lint": "no lint findings",
    "format": "the call fits its tool and the files as they are",
    "not_found": "the command and its files exist",
    "infrastructure": "the sandbox runs the command",
}
_ALTERNATIVES: dict[Kind, list[str]] = {
    "assertion": ["the code computes something else than specified", "the test expects something else than specified"],
    "exception": ["the code does not handle this input", "a value of another type or size reaches this line"],
    "timeout": ["a loop or recursion does not end", "the work is too much for the limit"],
    "memory": ["a structure grows without bound", "the limit is too small for the work"],
    "syntax": ["the last edit broke the file"],
    "import": ["a name was removed or renamed", "the module is not installed here"],
    "format": ["the call was written wrongly", "the files are not what the agent believes"],
    "not_found": ["the command is misspelt", "the tool is not installed in the sandbox"],
    "infrastructure": ["the machine was under pressure; the command may pass when repeated"],
}
_NEXT: dict[Kind, str] = {
    "assertion": "follow the failing input through the suspicious lines",
    "exception": "find where the offending value comes from",
    "timeout": "check the condition that ends the loop or recursion for the failing input",
    "memory": "find what grows",
    "syntax": "mend the syntax of the named line before anything else",
    "import": "look up where the name is defined",
    "compile": "mend the first error of the compiler",
    "lint": "mend the named line",
    "format": "read the file or the tool's description again, then repeat the call corrected",
    "not_found": "list the files and the registered commands",
    "infrastructure": "repeat the command once",
}


def attribute(
    failures: Sequence[Failure], *, changed: Sequence[str] = (), previous: Sequence[Failure] = ()
) -> Attribution:
    """Separate observation, expectation and diagnosis.

    Args:
        failures: What failed now, most telling first.
        changed: Paths the last edit changed.
        previous: What failed before the last edit.
    """
    if not failures:
        return Attribution("nothing failed", "the failure the task describes", "F_unknown", [], [], "read the task")
    first = failures[0]
    observed = first.observed or first.message
    if first.call:
        observed = f"{first.call} gives {observed}"
    evidence = [_evidence(failure) for failure in failures[:5]]
    alternatives = list(_ALTERNATIVES.get(first.kind, ["the output does not say"]))
    if previous and changed and {_identity(item) for item in failures} == {_identity(item) for item in previous}:
        evidence.append("the same tests fail as before the last edit")
        alternatives.insert(0, "the edit was in the wrong place")
    elif previous:
        before, now = len(previous), len(failures)
        evidence.append(f"{before} failures before the last edit, {now} after it")
    if first.path is not None and first.path in changed:
        alternatives.insert(0, "the last edit caused it")
    expected = first.expected or _EXPECTED.get(first.kind, "the check passes")
    return Attribution(
        observed, expected, first.code, evidence, alternatives, _NEXT.get(first.kind, "read the whole output")
    )


def _identity(failure: Failure) -> tuple[str | None, str]:
    return failure.test, failure.kind


def _evidence(failure: Failure) -> str:
    place = f" at {failure.path}:{failure.line}" if failure.path and failure.line else ""
    return f"{failure.test or 'output'}: {failure.kind}{place}: {failure.message[:200]}"
