"""Candidates from the repair operators, tried in scratch copies, and the comparison among all that pass."""

from __future__ import annotations

from collections.abc import Mapping

from terret.runtime._agent import Agent
from terret.runtime._offer import Offered
from terret.runtime._prompts import test_commands
from terret.runtime.repair import Plausible, TrialPlan, candidates, choose, passed, plan, probe_plan, probed, undecided

TRIAL_S, RIVAL_S = 90.0, 30.0
"""Seconds the operators may take in one episode: to find a repair, or only rivals of one that was found."""

EACH_S = 2.0
"""Seconds one candidate may take."""

LEAST_S = 0.25
"""Seconds every candidate gets, however fast the tests are."""

MOST = 10
"""Passing candidates after which the search ends."""


class Rivals:
    """What the repair operators found for one file."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.tried = False
        self.found: list[Plausible] = []
        self.untellable = False
        self.compared = False
        """Whether there were inputs to try candidates on, beside the visible tests."""
        self._voters: list[str] = []
        self._heard = False

    async def search(
        self, target: Offered, suspicion: Mapping[int, float], kept: Plausible | None = None
    ) -> list[Plausible]:
        """Try every single edit of a Python file, most suspicious lines first; what passes the visible tests.

        ``kept`` is a change that passes already: it is tried first, so that candidates that take much longer are known
        to hang, and the search is a shorter one, for rivals only.
        """
        self.tried = True
        commands = test_commands(self._agent.task)
        if not target.path.endswith(".py") or not commands:
            return []
        try:
            drawn = candidates(target.text, suspicion)
        except SyntaxError:
            return []
        first = [] if kept is None else [kept.text]
        texts = first + [item.text for item in drawn]
        trial = plan(commands[0], target.path, texts, each_s=EACH_S, least_s=LEAST_S, most=MOST + len(first))
        if trial is not None:
            output = await self._run(trial, TRIAL_S if kept is None else RIVAL_S)
            found = [index - len(first) for index in passed(output)]
            self.found = [Plausible(drawn[index].text, "operator", 2) for index in found if index >= 0]
        return self.found

    async def best(self, target: Offered, kept: Plausible | None) -> Plausible | None:
        """The candidate to keep: of the operators' and ``kept``, a model's change that passes the checks.

        ``None`` when they answer differently near the tests' inputs and the model has not yet been heard on what is
        specified there (see :meth:`hear`), and when there are several and no inputs to compare them on: then
        ``untellable`` is set.
        """
        pool = [*([kept] if kept is not None else []), *self.found]
        if len(pool) == 1 and kept is None:
            return pool[0]
        texts = [item.text for item in pool]
        commands = test_commands(self._agent.task)
        probe = probe_plan(commands[0], target.path, [*texts, *self._voters], each_s=5.0) if commands else None
        answers = probed(await self._run(probe, RIVAL_S)) if probe is not None else []
        own, voters = answers[: len(pool)], answers[len(pool) :]
        self.compared = bool(own)
        self.untellable = kept is None and len(pool) > 1 and not own
        if self.untellable or (not self._heard and undecided(own)):
            return None
        return pool[choose(pool, own, voters)]

    def likeliest(self) -> Plausible:
        """The candidate to leave in place when nothing tells them apart."""
        return self.found[choose(self.found, [])]

    def hear(self, text: str | None) -> None:
        """Take in what the model wrote from the specification alone, or that it wrote nothing of use."""
        self._heard = True
        self._voters += [text] if text is not None else []

    def drop(self, candidate: Plausible) -> None:
        """Forget a candidate that did not hold."""
        self.found = [item for item in self.found if item is not candidate]

    async def _run(self, trial: TrialPlan, seconds: float) -> str:
        done = await self._agent.kernel.check(trial.command, seconds, stdin=trial.stdin)
        return done.output.decode("utf-8", "replace")
