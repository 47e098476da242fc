"""What one episode amounts to, read from the files of its package and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from terret.errors import PackageError
from terret.gym._metrics_evidence import evidence
from terret.journal import Attributed, Event, Intent, Observed, Outcome, read_journal_jsonl

Rows = list[dict[str, Any]]

AUTONOMOUS = "autonomous_verified_success"

_EDITS = frozenset({"fs.write", "fs.delete"})
_REFUSALS = frozenset({"out_of_order", "refused", "denied"})
"""What the harness says no to is no observation of the program."""


class EpisodeMetrics(msgspec.Struct, frozen=True):
    """The numbers of one episode; every aggregate is a sum over these.

    ``backed`` says whether a declared episode holds fresh evidence for every requirement, ``None`` when it was not
    declared. ``avoidable`` counts the interventions that stand in for missing harness. ``entropy`` is the sum of
    severities, ``seconds`` the time charged to the budget, ``cost`` USD.
    """

    episode: str
    task: str
    level: str
    label: str | None
    failure_code: str | None
    functional_pass: bool | None
    false_completion: bool
    graded: bool
    declared: bool
    stop_reason: str | None
    backed: bool | None = None
    requirements: int = 0
    covered: int = 0
    consulted: int = 0
    influential: int = 0
    failed_effects: int = 0
    recovered_effects: int = 0
    failed_observations: int = 0
    attributed: int = 0
    entropy: int = 0
    interventions: int = 0
    avoidable: int = 0
    steps: int = 0
    model_calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    evidence: dict[str, bool] = {}


def read_metrics(folder: Path) -> EpisodeMetrics:
    """The metrics of a finished package. Nothing is verified; ``terret verify`` does that.

    Raises:
        PackageError: A file of the package is missing or not in the form of a package.
    """
    try:
        return _metrics(Package(folder))
    except (KeyError, TypeError, AttributeError) as error:
        raise PackageError(
            f"a file of the package has another form: {error!r}", where=str(folder), hint=f"terret verify {folder}"
        ) from None


class Package:
    """The files of a package, decoded when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bytes(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            PackageError: It cannot be read.
        """
        try:
            return (self.folder / path).read_bytes()
        except OSError as error:
            raise PackageError(
                f"a file of the package cannot be read: {error.strerror}", where=str(self.folder / path)
            ) from None

    def object(self, path: str) -> dict[str, Any]:
        """A file that holds one JSON object.

        Raises:
            PackageError: It cannot be read.
        """
        return cast("dict[str, Any]", self._decode(path, self.bytes(path)))

    def rows(self, path: str) -> Rows:
        """A file that holds one JSON object a line.

        Raises:
            PackageError: It cannot be read.
        """
        return [self._decode(path, line) for line in self.bytes(path).split(b"\n") if line]

    def events(self) -> list[Event]:
        """The events of the journal.

        Raises:
            PackageError: It cannot be read.
        """
        return read_journal_jsonl(self.bytes("journal.jsonl"))

    def _decode(self, path: str, raw: bytes) -> Any:
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackageError(f"not JSON: {error}", where=str(self.folder / path)) from None


def _metrics(package: Package) -> EpisodeMetrics:
    opened, outcome = package.object("episode.json"), package.object("traces/outcome.json")
    tools, context = package.rows("traces/tool.jsonl"), package.rows("traces/context.jsonl")
    interventions = package.rows("traces/intervention.jsonl")
    consulted = [row for row in context if row["type"] in ("consulted", "memory")]
    usage: dict[str, float] = outcome["usage"]
    facts: dict[str, Any] = outcome["facts"] or {}
    stop: dict[str, Any] = outcome["stop"] or {}
    used: dict[str, float] = outcome["budget"]["used"] or {}
    uncovered = _uncovered(facts)
    requirements = len(facts.get("requirements", []))
    failed, attributed = attributions(package.events(), opened)
    return EpisodeMetrics(
        episode=opened["id"],
        task=opened["task_name"],
        level=opened["level"],
        label=outcome["label"],
        failure_code=outcome["failure_code"],
        functional_pass=outcome["functional_pass"],
        false_completion=outcome["false_completion"] is True,
        graded=outcome["graded"] is True,
        declared=outcome["declared"],
        stop_reason=stop.get("reason"),
        backed=(requirements > 0 and not uncovered) if outcome["declared"] else None,
        requirements=requirements,
        covered=requirements - len(uncovered),
        consulted=len(consulted),
        influential=_count(consulted, lambda row: row["influenced"]),
        failed_effects=_count(tools, lambda row: row["failure"] is not None),
        recovered_effects=_count(tools, lambda row: row["recovered"]),
        failed_observations=failed,
        attributed=attributed,
        entropy=sum(row["severity"] for row in package.rows("traces/entropy.jsonl")),
        interventions=len(interventions),
        avoidable=_count(interventions, lambda row: row["avoidable"]),
        steps=stop.get("turns", 0),
        model_calls=round(usage["model_calls"]),
        tokens=round(usage["input_tokens"] + usage["output_tokens"]),
        seconds=round(used.get("wall", 0.0), 3),
        cost=usage["cost"],
        evidence=evidence(package, opened, tools, context),
    )


def attributions(events: Sequence[Event], opened: dict[str, Any]) -> tuple[int, int]:
    """How many observations failed, and how many of them were completely attributed before the next edit.

    An edit is a write or deletion that succeeded, or a command after which the workspace differs from before. An
    attribution counts for the latest failed observation since the last edit that has none. Refusals of the harness
    (out of order, permission, completion) are no observations. Where the level does not offer the attribution
    protocol, only the agent's own attributions count.
    """
    offered = "attribution_protocol" in opened["visible_artifacts"]
    writes: set[str] = set()
    tree: str | None = None
    failed = attributed = waiting = 0
    for event in events:
        data = event.data
        if isinstance(data, Intent) and data.primitive in _EDITS:
            writes.add(data.effect)
        elif isinstance(data, Outcome):
            known = data.tree is not None and (tree is not None or data.effect in writes)
            if data.tree != tree if known else data.effect in writes and data.status == "ok":
                waiting = 0
            tree = data.tree or tree
        elif isinstance(data, Observed) and not data.ok and (data.failure or {}).get("type") not in _REFUSALS:
            failed += 1
            waiting += 1
        elif isinstance(data, Attributed) and waiting and (offered or data.by == "agent") and _complete(data):
            attributed += 1
            waiting -= 1
    return failed, attributed


def _complete(data: Attributed) -> bool:
    """Whether every part but the alternatives, of which there may be none, is filled in."""
    return all((data.observed, data.expected, data.failure_type, data.evidence, data.next_action))


def _uncovered(facts: dict[str, Any]) -> list[str]:
    from terret.verification import Facts, uncovered

    known = {name: facts[name] for name in ("episode_checks", "requirements") if name in facts}
    try:
        return uncovered(msgspec.convert(known, Facts))
    except msgspec.ValidationError as error:
        raise PackageError(f"the evaluator's facts have another form: {error}") from None


def _count(rows: Rows, holds: Callable[[dict[str, Any]], Any]) -> int:
    return sum(bool(holds(row)) for row in rows)
