"""Reads an episode's events and gives its spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from terret.errors import JournalError
from terret.journal import (
    ActionParsed,
    ActionRejected,
    CheckRan,
    Declared,
    EpisodeClosed,
    EpisodeOpened,
    Event,
    Faulted,
    Intent,
    Intervened,
    Labelled,
    Observed,
    Outcome,
    Stopped,
)
from terret.observe._spans import CLIENT, INTERNAL, Span, span, span_event, span_id

MODEL = "model.complete"
ROOT = "invoke_agent"
EVALUATION = "gen_ai.evaluation.result"
_IN_PROCESS = frozenset({"local", "scripted", "replay"})


class _Action(NamedTuple):
    """An action whose observation is still to come."""

    number: int
    ts: float
    data: ActionParsed
    effects: list[str]


class _Reader:
    """The spans while events are read."""

    def __init__(self, episode: str, opened: EpisodeOpened) -> None:
        self.episode = episode
        self.opened = opened
        self.root = span_id(episode, 0, ROOT)
        self.spans: list[Span] = []
        self.events: list[Span] = []
        self.totals = dict.fromkeys(("input", "output", "cached"), 0)
        self.cost = 0.0
        self.label: Labelled | None = None
        self.stopped: Stopped | None = None
        self.finished = False
        self.fault: str | None = None
        self._calls: dict[tuple[int, str], tuple[float, Intent]] = {}
        self._actions: dict[int, _Action] = {}
        self._count = 0

    def take(self, event: Event) -> None:
        match event.data:
            case Intent():
                self._intent(event, event.data)
            case Outcome() as outcome:
                found = self._calls.pop((event.pid, outcome.effect), None)
                if found is not None:
                    self._chat(event, *found, outcome)
            case ActionParsed() as action:
                self._close(event.pid, event.ts, None)
                self._actions[event.pid] = _Action(self._count, event.ts, action, [])
                self._count += 1
            case Observed() as observed:
                self._close(event.pid, event.ts, observed)
            case _:
                self._remark(event)

    def finish(self, events: Sequence[Event]) -> list[Span]:
        end = events[-1].ts
        for (pid, _), (ts, intent) in list(self._calls.items()):
            self._chat(events[-1], ts, intent, None, pid)
        for pid in list(self._actions):
            self._close(pid, end, None)
        return [self._agent(events[0].ts, end), *self.spans]

    def _intent(self, event: Event, intent: Intent) -> None:
        if intent.primitive == MODEL:
            # After a resumption the intent may be repeated; the first one began the call.
            self._calls.setdefault((event.pid, intent.effect), (event.ts, intent))
        elif event.pid in self._actions:
            self._actions[event.pid].effects.append(intent.effect)

    def _chat(
        self, event: Event, began: float, intent: Intent, outcome: Outcome | None, pid: int | None = None
    ) -> None:
        sampling: dict[str, Any] = intent.args.get("sampling") or {}
        result: dict[str, Any] = outcome.result if outcome else {}
        usage: dict[str, float] = outcome.usage if outcome else {}
        for name in self.totals:
            self.totals[name] += round(usage.get(name, 0))
        self.cost += usage.get("cost", 0.0)
        # The dead time of a resumed episode is no part of the call.
        start = max(began, event.ts - outcome.duration_ms / 1000) if outcome else began
        failed = None
        if outcome is None or outcome.status != "ok":
            failed = str(result.get("fault") or (outcome.status if outcome else "unfinished"))
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            **self._identity(),
            "gen_ai.request.temperature": _float(sampling.get("temperature")),
            "gen_ai.request.top_p": _float(sampling.get("top_p")),
            "gen_ai.request.max_tokens": sampling.get("max_tokens"),
            "gen_ai.request.seed": sampling.get("seed"),
            "gen_ai.request.stop_sequences": sampling.get("stop") or None,
            "gen_ai.response.finish_reasons": [result["finish"]] if result.get("finish") else None,
            "gen_ai.response.time_to_first_chunk": _float(result.get("first_token_s")),
            "gen_ai.usage.input_tokens": _count(usage, "input"),
            "gen_ai.usage.output_tokens": _count(usage, "output"),
            "gen_ai.usage.cache_read.input_tokens": _count(usage, "cached"),
            "terret.turn": intent.turn,
            "terret.effect": intent.effect,
            "terret.request.digest": intent.args.get("digest"),
            "terret.cost_usd": _float(usage.get("cost")),
            "terret.retries": result.get("retries"),
        }
        kind = INTERNAL if self.opened.model.get("provider") in _IN_PROCESS else CLIENT
        name = f"chat {self._model()}".strip()
        self._add(event.pid if pid is None else pid, intent.effect, name, kind, (start, event.ts), attributes, failed)

    def _close(self, pid: int, end: float, observed: Observed | None) -> None:
        """The action of a process ended; an observation of another tool does not belong to it."""
        action = self._actions.pop(pid, None)
        if action is None:
            return
        if observed is not None and observed.tool != action.data.tool:
            observed = None
        failed = None
        if observed is not None and not observed.ok:
            failed = str((observed.failure or {}).get("type") or "failed")
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": action.data.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.conversation.id": self.episode,
            "terret.turn": action.data.turn,
            "terret.by": action.data.by,
            "terret.effects": (list(observed.effects) if observed else action.effects) or None,
        }
        identity = f"execute_tool {action.effects[0] if action.effects else f'action {action.number}'}"
        self._add(pid, identity, f"execute_tool {action.data.tool}", INTERNAL, (action.ts, end), attributes, failed)

    def _remark(self, event: Event) -> None:
        match event.data:
            case CheckRan() as check:
                self.events.append(span_event(event, EVALUATION, _check(check)))
            case Labelled() as label:
                self.label = label
                self.events.append(span_event(event, EVALUATION, _verdict(label)))
            case ActionRejected() as rejected:
                facts = {"terret.turn": rejected.turn, "error.type": rejected.reason, "terret.code": rejected.code}
                self.events.append(span_event(event, "terret.reply.rejected", facts))
            case Declared() as declared:
                facts = {"terret.turn": declared.turn, "terret.accepted": declared.accepted, "terret.by": declared.by}
                self.events.append(span_event(event, "terret.declared", facts))
            case Intervened() as helped:
                facts = {"terret.turn": helped.turn, "terret.form": helped.form, "terret.avoidable": helped.avoidable}
                facts["terret.harness_gap"] = helped.harness_gap
                self.events.append(span_event(event, "terret.intervention", facts))
            case Faulted() as fault:
                self.fault = None if fault.recovered else fault.code
                facts = {"terret.part": fault.part, "error.type": fault.code, "terret.recovered": fault.recovered}
                self.events.append(span_event(event, "terret.fault", facts))
            case Stopped() as stopped:
                self.stopped = stopped
            case EpisodeClosed():
                self.finished = True
            case _:
                pass

    def _agent(self, start: float, end: float) -> Span:
        opened, label = self.opened, self.label
        ungraded = label is not None and not label.graded
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": ROOT,
            **self._identity(),
            "gen_ai.agent.name": opened.image,
            "gen_ai.agent.version": opened.versions.get("terret"),
            "gen_ai.usage.input_tokens": self.totals["input"],
            "gen_ai.usage.output_tokens": self.totals["output"],
            "gen_ai.usage.cache_read.input_tokens": self.totals["cached"],
            "terret.task": opened.task_name,
            "terret.level": opened.level,
            "terret.seed": opened.seed,
            "terret.enforcement.tier": opened.enforcement.get("tier"),
            "terret.cost_usd": round(self.cost, 9),
            "terret.finished": self.finished,
            "terret.stop_reason": self.stopped.reason if self.stopped else None,
            "terret.turns": self.stopped.turns if self.stopped else None,
            "terret.label": label.label if label else None,
            "terret.failure_code": label.failure_code if label else None,
            "terret.functional_pass": label.functional_pass if label else None,
            "terret.false_completion": label.false_completion if label else None,
        }
        error = (self.fault or "ungraded") if ungraded or (self.fault and not self.finished) else None
        return span(
            self.episode,
            0,
            ROOT,
            f"{ROOT} {opened.image}".strip(),
            INTERNAL,
            (start, end),
            attributes,
            error=error,
            events=self.events,
        )

    def _identity(self) -> dict[str, Any]:
        return {
            "gen_ai.provider.name": self.opened.model.get("provider") or "unknown",
            "gen_ai.request.model": self._model() or None,
            "gen_ai.conversation.id": self.episode,
        }

    def _model(self) -> str:
        return str(self.opened.model.get("name") or "")

    def _add(
        self,
        pid: int,
        identity: str,
        name: str,
        kind: int,
        times: tuple[float, float],
        attributes: dict[str, Any],
        error: str | None,
    ) -> None:
        self.spans.append(
            span(self.episode, pid, identity, name, kind, times, attributes, parent=self.root, error=error)
        )


def otel_spans(events: Sequence[Event]) -> list[Span]:
    """The spans of one episode, the root first, the others in the order in which they ended.

    ``invoke_agent`` spans the episode; below it lie one ``chat`` for every model call and one ``execute_tool`` for
    every action. Checks and the verdict are ``gen_ai.evaluation.result`` events of the root. No prompts, replies,
    arguments or outputs are among the attributes. Ids derive from the episode and the effect alone, so that exporting
    twice, or again after a resumption, names the same spans.

    Raises:
        JournalError: The events do not begin with the opening of an episode.
    """
    if not events or not isinstance(events[0].data, EpisodeOpened):
        raise JournalError(
            "there is no episode to export", value=len(events), hint="the first event must be episode.opened/1"
        )
    reader = _Reader(events[0].episode, events[0].data)
    for event in events:
        reader.take(event)
    return reader.finish(events)


def _check(check: CheckRan) -> dict[str, Any]:
    """The evaluation attributes of a check: 1 passed, 0 failed, no score without a result."""
    return {
        "gen_ai.evaluation.name": check.name,
        "gen_ai.evaluation.score.value": None if check.passed is None else float(check.passed),
        "gen_ai.evaluation.score.label": "unknown" if check.passed is None else "pass" if check.passed else "fail",
        "gen_ai.evaluation.explanation": check.detail or check.interpretation or None,
        "error.type": "no_result" if check.passed is None else None,
        "terret.check.phase": check.phase,
        "terret.check.type": check.type,
        "terret.check.covers": list(check.covers) or None,
    }


def _verdict(label: Labelled) -> dict[str, Any]:
    """The evaluation attributes of the verdict: its score is the functional pass."""
    return {
        "gen_ai.evaluation.name": "terret.verdict",
        "gen_ai.evaluation.score.value": None if label.functional_pass is None else float(label.functional_pass),
        "gen_ai.evaluation.score.label": label.label or "ungraded",
        "gen_ai.evaluation.explanation": "; ".join(label.reasons) or None,
        "error.type": None if label.graded else "ungraded",
    }


def _count(usage: dict[str, float], name: str) -> int | None:
    return round(usage[name]) if name in usage else None


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
