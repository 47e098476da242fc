"""Candidates from the repair operators, tried in scratch copies, and the comparison among all that pass."""

from __future__ import annotations

from collections.abc import Mapping

from terret.runtime._agent import Agent
from terret.runtime._offer import Offered
from terret.runtime._prompts import test_commands
from terret.runtime.repair import Plausible, TrialPlan, candidates, choose, passed, plan, probe_plan, probed

TRIAL_S = 90.0
"""Seconds the operators may take in one episode."""

EACH_S = 2.0
"""Seconds one candidate may take."""

LEAST_S = 0.5
"""Seconds every candidate gets, however fast the tests are."""

MOST = 10
"""Passing candidates after which the search ends."""


class Rivals:
    """What the repair operators found for one file."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.tried = False
        self.found: list[Plausible] = []

    async def search(
        self, target: Offered, suspicion: Mapping[int, float], passing_s: float | None = None
    ) -> list[Plausible]:
        """Try every single edit of a Python file, most suspicious lines first; what passes the visible tests.

        ``passing_s`` is what the tests took on a change that passes, where there is one: candidates that take much
        longer hang.
        """
        self.tried = True
        commands = test_commands(self._agent.task)
        if not target.path.endswith(".py") or not commands:
            return []
        try:
            drawn = candidates(target.text, suspicion)
        except SyntaxError:
            return []
        each_s = EACH_S if passing_s is None else min(EACH_S, max(LEAST_S, 2 * passing_s))
        trial = plan(commands[0], target.path, [item.text for item in drawn], each_s=each_s, most=MOST)
        if trial is not None:
            output = await self._run(trial)
            self.found = [Plausible(drawn[index].text, "operator", 2) for index in passed(output)]
        return self.found

    async def best(self, target: Offered, kept: Plausible | None) -> Plausible:
        """The candidate to keep: of the operators' and ``kept``, a model's change that passes the checks."""
        pool = [*([kept] if kept is not None else []), *self.found]
        if len(pool) == 1:
            return pool[0]
        commands = test_commands(self._agent.task)
        probe = probe_plan(commands[0], target.path, [item.text for item in pool], each_s=5.0) if commands else None
        answers = probed(await self._run(probe)) if probe is not None else []
        return pool[choose(pool, answers)]

    def drop(self, candidate: Plausible) -> None:
        """Forget a candidate that did not hold."""
        self.found = [item for item in self.found if item is not candidate]

    async def _run(self, trial: TrialPlan) -> str:
        done = await self._agent.kernel.check(trial.command, TRIAL_S, stdin=trial.stdin)
        return done.output.decode("utf-8", "replace")
