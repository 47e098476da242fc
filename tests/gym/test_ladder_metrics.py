"""The numbers of an episode, read from its package."""

from __future__ import annotations

from pathlib import Path

import pytest
from ladder_packages import TESTS, call, check, effect, failed, make

from terret.errors import PackageError
from terret.gym import EVIDENCE, PAPER_TABLE_5, read_metrics
from terret.journal import (
    Attributed,
    ContextOffered,
    Declared,
    EntropyFound,
    Intervened,
    MemoryReferenced,
    StateUpdated,
)


def attributed(by: str = "runtime", next_action: str = "look") -> Attributed:
    return Attributed(1, "1", "2", "F_verify", ["line 3"], [], next_action, by)


def write(name: str, tree: str | None, status: str = "ok") -> list:
    return effect(name, "fs.write", {"path": "a.py", "sha256": name, "size": 1}, status, tree=tree)


def test_the_golden_package():
    found = read_metrics(Path(__file__).parents[1] / "golden" / "journal")
    assert (found.label, found.functional_pass, found.declared, found.backed) == (
        "unverified_success",
        True,
        True,
        False,
    )
    assert (found.tokens, found.model_calls, found.seconds, found.cost) == (852, 1, 11.5, 0.00125)
    assert (found.consulted, found.influential) == (2, 2)
    assert (found.failed_effects, found.recovered_effects) == (1, 1)
    assert (found.failed_observations, found.attributed) == (1, 1)  # it is the agent's own
    assert (found.entropy, found.interventions, found.avoidable) == (1, 1, 1)


def test_tokens_calls_and_cost_add_up(tmp_path):
    found = read_metrics(make(tmp_path / "e", [*call("m1", (10, 2), 0.5), *call("m2", (20, 3), 0.25)], wall=7.25))
    assert (found.tokens, found.model_calls, found.cost, found.seconds, found.steps) == (35, 2, 0.75, 7.25, 3)


def test_consulted_counts_reads_and_memory_but_not_what_was_only_offered(tmp_path):
    events = [
        ContextOffered(1, [{"path": "x.py", "start": 1, "end": 2, "tokens": 3, "reason": "hint"}], 5, 10),
        *effect("e1", "fs.read", {"path": "a.py"}),
        *effect("e2", "fs.read", {"path": "b.py"}),
        *write("e3", "2" * 40),
        MemoryReferenced(1, "guide", "how to test", True),
    ]
    found = read_metrics(make(tmp_path / "e", events))
    assert (found.consulted, found.influential) == (3, 2)


def test_recovery_needs_the_same_target_to_succeed_later(tmp_path):
    events = [
        *effect("e1", "shell.run", {"command": "a"}, "error"),
        *effect("e2", "shell.run", {"command": "b"}, "error"),
        *effect("e3", "shell.run", {"command": "a"}),
    ]
    found = read_metrics(make(tmp_path / "e", events))
    assert (found.failed_effects, found.recovered_effects) == (2, 1)


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([failed(), attributed()], (1, 1)),
        ([failed(), *write("e1", "2" * 40), attributed()], (1, 0)),
        ([failed(), *write("e1", None, "error"), attributed()], (1, 1)),
        ([failed(), attributed(next_action="")], (1, 0)),
        ([failed(), attributed(), attributed()], (1, 1)),
        ([failed(), failed(), attributed()], (2, 1)),
        ([failed(), attributed(), *write("e1", "2" * 40), failed(), attributed()], (2, 2)),
        ([failed("out_of_order"), failed("denied"), failed("refused")], (0, 0)),
        ([attributed(), failed()], (1, 0)),
    ],
)
def test_attribution_counts_before_the_next_edit_only(tmp_path, events, counts):
    found = read_metrics(make(tmp_path / "e", events))
    assert (found.failed_observations, found.attributed) == counts


def test_a_command_that_changes_the_workspace_is_an_edit(tmp_path):
    def run(name: str, tree: str) -> list:
        return effect(name, "shell.run", {"command": name}, tree=tree)

    same = [*run("e1", "a"), failed(), *run("e2", "a"), attributed()]
    other = [*run("e1", "a"), failed(), *run("e2", "b"), attributed()]
    assert read_metrics(make(tmp_path / "same", same)).attributed == 1
    assert read_metrics(make(tmp_path / "other", other)).attributed == 0


def test_below_h3_only_the_agents_own_attributions_count(tmp_path):
    for name, by, expected in (("a", "runtime", 0), ("b", "agent", 1)):
        found = read_metrics(make(tmp_path / name, [failed(), attributed(by)], level="H2"))
        assert (found.attributed, found.evidence["attribution_log"]) == (expected, False)


def test_a_completion_is_backed_when_every_requirement_has_fresh_evidence(tmp_path):
    seen = {"name": "c", "type": "check", "passed": True, "covers": ["R1"], "fresh": True}
    declared = Declared(1, "done", True, [])
    how = {"requirements": ["R1", "R2"], "episode_checks": [seen]}
    half = read_metrics(make(tmp_path / "half", [declared], **how))
    assert (half.backed, half.requirements, half.covered) == (False, 2, 1)
    how["episode_checks"] = [{**seen, "covers": ["R1", "R2"]}]
    assert read_metrics(make(tmp_path / "full", [declared], **how)).backed is True
    stale = {**how, "episode_checks": [{**seen, "covers": ["R1", "R2"], "fresh": False}]}
    assert read_metrics(make(tmp_path / "stale", [declared], **stale)).backed is False
    assert read_metrics(make(tmp_path / "silent", [], **how)).backed is None
    assert read_metrics(make(tmp_path / "nothing asked", [declared])).backed is False


def test_entropy_and_help_are_summed(tmp_path):
    events = [
        EntropyFound("code", 2, "r", "x"),
        EntropyFound("test", 3, "r", "y"),
        Intervened(1, "hint", "look there", True, True, 1, "context manager"),
        Intervened(1, "approval", "yes", False, False, 0, ""),
    ]
    found = read_metrics(make(tmp_path / "e", events))
    assert (found.entropy, found.interventions, found.avoidable) == (5, 2, 1)


@pytest.mark.parametrize("level", ["H0", "H1", "H2", "H3"])
def test_everything_recorded_counts_as_evidence_only_where_the_level_offers_it(tmp_path, level):
    events = [
        *effect("e1", "fs.read", {"path": "a.py"}),
        *effect("e2", "shell.run", {"command": TESTS}),
        StateUpdated(1, "agent", {"hypothesis": "off by one"}),
        attributed(),
        check(["R1"], kind="reproduction"),
        check(["R1"]),
        Declared(1, "done", True, []),
    ]
    found = read_metrics(make(tmp_path / "e", events, level=level))
    assert {name for name, held in found.evidence.items() if held} == PAPER_TABLE_5[level][1]
    nothing = read_metrics(make(tmp_path / "n", level=level, patch=b""))
    assert set(nothing.evidence) == set(EVIDENCE)
    assert not any(nothing.evidence.values())


def test_a_damaged_package_is_a_package_error(tmp_path):
    with pytest.raises(PackageError, match="cannot be read"):
        read_metrics(tmp_path)
    folder = make(tmp_path / "e")
    outcome = folder / "traces" / "outcome.json"
    outcome.write_text("{}")
    with pytest.raises(PackageError, match="another form"):
        read_metrics(folder)
    outcome.write_text("{")
    with pytest.raises(PackageError, match="not JSON"):
        read_metrics(folder)
