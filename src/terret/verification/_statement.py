"""The evaluator's verdict as an in-toto statement.

The predicate is *Test Result* v0.1: it names the tests that passed and failed and the configuration they ran in.
Subjects are the patch and the signed head of the journal; the initial tree, the task and the outcome are
``configuration``, because the claim is about the change, not about the code before it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from terret.errors import PackageError
from terret.verification._adjudicate import DETERMINISTIC

if TYPE_CHECKING:
    from terret.journal import CheckedPackage

T = TypeVar("T")

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
RESULTS = {
    "autonomous_verified_success": "PASSED",
    "assisted_verified_success": "PASSED",
    "unverified_success": "WARNED",
    "failed": "FAILED",
    "unsafe_invalid": "FAILED",
}
"""The predicate's ``result`` by label."""


def statement(package: CheckedPackage) -> dict[str, Any]:
    """An in-toto Statement v1 about a checked package.

    Raises:
        PackageError: The episode is not finished, or an infrastructure fault left it ungraded.
    """
    from terret.journal import CheckRan, EpisodeOpened, Labelled, PatchTaken

    opened = _last(package, EpisodeOpened)
    patch = _last(package, PatchTaken)
    labelled = _last(package, Labelled)
    if opened is None or patch is None or labelled is None:
        raise PackageError("the episode is not finished", where="journal.jsonl", hint="finish it with terret resume")
    if labelled.label is None:
        raise PackageError(
            "an ungraded episode has no test result", where="journal.jsonl", hint="run the task again, then export"
        )
    checks = [
        event.data for event in package.events if isinstance(event.data, CheckRan) and event.data.phase == "evaluator"
    ]
    required = [check for check in checks if check.type in DETERMINISTIC]
    outcome = {
        "episode": package.head.episode,
        "label": labelled.label,
        "functionalPass": labelled.functional_pass,
        "falseCompletion": labelled.false_completion,
        "failureCode": labelled.failure_code,
        "reasons": labelled.reasons,
        "withoutResult": [_name(check) for check in checks if check.passed is None],
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": "patch.diff", "digest": {"sha256": patch.blob}},
            {"name": "head.json", "digest": {"sha256": sha256(package.head.to_json()).hexdigest()}},
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": RESULTS[labelled.label],
            "configuration": [
                {"name": "repository", "digest": _tree(opened.repository)},
                {"name": "task", "digest": {"sha256": opened.task}, "annotations": {"name": opened.task_name}},
                {
                    "name": "harness",
                    "annotations": {
                        "model": opened.model,
                        "level": opened.level,
                        "enforcement": opened.enforcement,
                        "outcomeRule": opened.outcome_rule,
                        "versions": opened.versions,
                    },
                },
                {"name": "outcome", "annotations": outcome},
            ],
            "passedTests": [_name(check) for check in checks if check.passed is True],
            "warnedTests": [_name(check) for check in checks if check.passed is None and check not in required],
            "failedTests": [
                _name(check)
                for check in checks
                if check.passed is False or (check.passed is None and check in required)
            ],
        },
    }


def _tree(repository: dict[str, Any]) -> dict[str, str]:
    digest = {"gitTree": str(repository.get("tree", ""))}
    commit = repository.get("commit")
    return {**digest, "gitCommit": str(commit)} if commit else digest


def _name(check: Any) -> str:
    return f"{check.type}: {check.name}"


def _last(package: CheckedPackage, kind: type[T]) -> T | None:
    return next((event.data for event in reversed(package.events) if isinstance(event.data, kind)), None)
