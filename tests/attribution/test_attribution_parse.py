"""Failures are read from what the tools really print."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.attribution import CODES, Failure, attribute, parse_failures

GOLDEN = Path(__file__).parents[1] / "golden" / "attribution"


def read(name: str, exit_code: int | None = 1, status: str = "ok") -> list[Failure]:
    return parse_failures((GOLDEN / name).read_text(), exit_code=exit_code, status=status)


def test_pytest_names_call_expected_and_observed() -> None:
    compared, raised, plain, expected_raise = read("pytest.txt")
    assert (compared.test, compared.call) == ("test_cmp", "gcd(*[17, 0])")
    assert (compared.observed, compared.expected) == ("3", "17")
    assert (raised.kind, raised.path, raised.line) == ("exception", "mod.py", 3)
    assert raised.message == "IndexError: list index out of range"
    assert (plain.kind, plain.expected) == ("assertion", "3")
    assert "DID NOT RAISE" in expected_raise.message


def test_unittest_blocks_and_tracebacks() -> None:
    error, unequal = read("unittest.txt")
    assert error.test == "__main__.T.test_err"
    assert error.kind == "exception"
    assert (unequal.observed, unequal.expected) == ("1", "2")
    assert unequal.line == 3


@pytest.mark.parametrize("name", ["node_tap.txt", "node_spec.txt"])
def test_node_in_both_forms(name: str) -> None:
    first = read(name)[0]
    assert (first.kind, first.test, first.observed, first.expected) == ("assertion", "adds", "2", "3")
    assert (first.path, first.line) == ("/workspace/n.test.js", 2)


def test_node_tap_exception() -> None:
    failure = read("node_tap.txt")[1]
    assert (failure.kind, failure.test) == ("exception", "throws")
    assert failure.message.startswith("TypeError: Cannot read properties of null")


@pytest.mark.parametrize(
    ("output", "kind", "path", "line"),
    [
        ("a.c:3:9: error: expected ';' before '}' token\n", "compile", "a.c", 3),
        ("src/a.ts(7,3): error TS2304: Cannot find name 'x'.\n", "compile", "src/a.ts", 7),
        ("error[E0425]: cannot find value `x`\n  --> src/main.rs:4:5\n", "compile", "src/main.rs", 4),
        (
            'Traceback (most recent call last):\n  File "a.py", line 2, in f\n    import q\n'
            "ModuleNotFoundError: No module named 'q'\n",
            "import",
            "a.py",
            2,
        ),
        ('  File "a.py", line 1\n    x =\nSyntaxError: invalid syntax\n', "unknown", None, None),
        ("bash: line 1: pytset: command not found\n", "not_found", None, None),
        ("", "unknown", None, None),
    ],
)
def test_other_tools(output: str, kind: str, path: str | None, line: int | None) -> None:
    failure = parse_failures(output, exit_code=127 if kind == "not_found" else 1)[0]
    assert (failure.kind, failure.path, failure.line) == (kind, path, line)
    assert failure.code == CODES[failure.kind]


@pytest.mark.parametrize(
    ("status", "kind", "infrastructure"),
    [("timeout", "timeout", False), ("memory", "memory", False), ("killed", "infrastructure", True)],
)
def test_a_limit_is_a_failure_of_its_own(status: str, kind: str, infrastructure: bool) -> None:
    failure = parse_failures("", exit_code=None, status=status)[-1]
    assert (failure.kind, failure.infrastructure) == (kind, infrastructure)


def test_attribution_separates_observation_expectation_and_diagnosis() -> None:
    found = attribute(read("pytest.txt"))
    assert found.observed == "gcd(*[17, 0]) gives 3"
    assert found.expected == "17"
    assert found.evidence
    assert found.alternatives
    assert found.next_action
    again = attribute(read("pytest.txt"), previous=read("pytest.txt"), changed=["other.py"])
    assert again.alternatives[0] == "the edit was in the wrong place"


@given(st.text(max_size=400), st.sampled_from([0, 1, 2, 127, None]))
def test_any_output_gives_at_least_one_failure(output: str, exit_code: int | None) -> None:
    failures = parse_failures(output, exit_code=exit_code)
    assert failures
    assert attribute(failures).next_action
