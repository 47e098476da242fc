"""The labelled diffs: well-formed, balanced, and judged as labelled."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path

import pytest

from terret.entropy import RULES, audit

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark module, importable however pytest was started."""
    sys.path.insert(0, str(ROOT))
    try:
        yield importlib.import_module("benchmarks.entropy")
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture(scope="module")
def samples(benchmark):
    return benchmark.samples()


def test_the_set_is_large_balanced_and_names_known_rules(samples):
    assert len(samples) >= 120
    assert len({sample.id for sample in samples}) == len(samples)
    clean = sum(not sample.expected for sample in samples)
    assert 0.45 <= clean / len(samples) <= 0.55
    asked = Counter()
    for sample in samples:
        asked.update({label["category"] for label in sample.expected if not label.get("optional")})
        for label in sample.expected:
            assert "rule" not in label or RULES[label["rule"]].category == label["category"], sample.id
            assert label["severity"] in range(4)
    assert set(asked) == {rule.category for rule in RULES.values()}
    assert min(asked.values()) >= 10


def test_a_third_is_held_out_with_every_category_in_it(samples):
    held = [sample for sample in samples if sample.held_out]
    assert 0.28 <= len(held) / len(samples) <= 0.38
    asked = Counter(label["category"] for sample in held for label in sample.expected if not label.get("optional"))
    assert min(asked[rule.category] for rule in RULES.values()) >= 4


@pytest.mark.parametrize("held_out", [False, True])
def test_precision_and_recall(benchmark, samples, held_out):
    scores, _ = benchmark.measure([sample for sample in samples if sample.held_out == held_out])
    summed = benchmark.total(scores)
    assert summed.precision >= 0.85
    assert summed.recall >= 0.85


def test_every_rule_is_asked_for_by_a_label_or_found_in_the_set(benchmark, samples):
    rules = {label["rule"] for sample in samples for label in sample.expected if "rule" in label}
    rules |= {item.rule for sample in samples if sample.expected for item in benchmark.run(sample)}
    assert set(RULES) - rules == set()


def test_evidence_stands_at_its_line(benchmark, samples):
    quoted = {"debugger", "debug_print", "todo_added", "unused_import", "unused_symbol", "suppression_added"}
    seen = 0
    for sample in samples:
        for item in benchmark.run(sample):
            lines = sample.after.get(item.path, sample.before.get(item.path, "")).split("\n")
            assert 0 <= item.line <= len(lines), (sample.id, item)
            assert "\n" not in item.evidence
            assert 0 < len(item.evidence) <= 160
            if item.rule in quoted:
                seen += 1
                assert " ".join(lines[item.line - 1].split()).startswith(item.evidence[:100]), (sample.id, item)
    assert seen > 15


def test_the_answer_depends_on_nothing_but_the_trees(samples):
    for sample in samples[::9]:
        old = {path: text.encode() for path, text in sample.before.items()}
        new = {path: text.encode() for path, text in sample.after.items()}
        one = audit(old.get, new.get, sample.files, paths=sorted(new), **sample.arguments)
        files, paths = sample.files[::-1], sorted(new, reverse=True)
        assert audit(old.get, new.get, files, paths=paths, **sample.arguments) == one
        order = [(item.path, item.line, item.category, item.rule, item.evidence) for item in one]
        assert order == sorted(order)


def test_a_change_taken_back_is_no_burden(benchmark, samples):
    """A deleted burden is none: the reversed diff of a scratch file, a print or a comment is silent."""
    kinds = {"scratch_file", "backup_file", "debugger", "commented_out_code", "conflict_marker", "trailing_whitespace"}
    chosen = [sample for sample in samples if {label.get("rule") for label in sample.expected} & kinds]
    assert len(chosen) >= 10
    for sample in chosen:
        back = sample._replace(before=sample.after, after=sample.before, expected=[])
        assert not {item.rule for item in benchmark.run(back)} & kinds, sample.id


def test_the_benchmark_fails_when_a_bound_is_missed(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "audit", lambda *_args, **_keywords: [])
    assert benchmark.main(["--commits", "0", "--planted", "0", "--json"]) == 1
    assert '"ok": false' in capsys.readouterr().out
