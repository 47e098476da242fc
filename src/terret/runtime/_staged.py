"""The ``guided`` image at H3: reproduce, attribute, fix, verify and report, each step done and recorded by the runtime.

The model gets small questions only: the code, the failing case, what was expected against what came, the suspicious
lines. Deterministic repair operators are a second, labelled source of candidates. A change that passes the visible
checks is compared with the other candidates that do, by how they behave on inputs near those of the tests, before it
is reported.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from terret.attribution import Attribution, Failure
from terret.journal import CheckRan
from terret.models import Action, FormatError, Reply, Sampling
from terret.runtime._agent import Agent
from terret.runtime._evidence import Ran, run_check
from terret.runtime._guided import Ask, GuidedImage
from terret.runtime._localise import Suspicion, suspicious_lines
from terret.runtime._prompts import describe, test_commands
from terret.runtime._rivals import Rivals
from terret.runtime._splice import NotSpliceable, outline
from terret.runtime._stop import Stop
from terret.runtime._workflow import Workflow
from terret.runtime.repair import Plausible
from terret.tools import ToolResult

LUCKY = (
    "a change drawn at random, after the likeliest ones failed, passes the visible tests, and there is nothing else to "
    "try it on; it is left in place"
)
"""Many draws against few tests: one that passes them says little, unless it also behaves as others do elsewhere."""

VOTE = Ask("fresh", False, 0.2)
"""How the model is heard on candidates that disagree."""


class StagedImage(GuidedImage):
    """The guided image under the H3 workflow.

    Args:
        agent: The agent it drives.
        sampling: ``max_tokens`` and the seed of the first question.
        window: The model's context window in tokens.
        ablated: Responsibilities switched off: ``repair``, ``localisation``, ``attribution``.
    """

    def __init__(self, agent: Agent, sampling: Sampling, window: int, *, ablated: frozenset[str] = frozenset()) -> None:
        super().__init__(agent, sampling, window)
        self._workflow = agent.workflow or Workflow(agent.task, agent.kernel, agent.attributor)
        self.machine = self._workflow.machine
        self._rivals = Rivals(agent) if "repair" not in ablated else None
        self._localise = "localisation" not in ablated
        self._hinting = "attribution" not in ablated
        self._suspicion = Suspicion({}, [])
        self._failing: list[Failure] = []
        self._applied: Plausible | None = None
        self._drawn = False
        self._voting = False

    async def prepare(self) -> None:
        """Reproduce the failure on the untouched workspace, say which lines are suspicious, attribute it."""
        await super().prepare()
        ran = [await run_check(self._agent, self._workflow, check, "reproduction") for check in self._workflow.checks]
        self.machine.advance("reproduced")
        if self._localise and test_commands(self._agent.task):
            self._suspicion = await suspicious_lines(self._agent, test_commands(self._agent.task)[0])
        self._attribute([item for item in ran if not item.passed])

    async def next_ask(self) -> Ask | None:
        """The next question; none in a turn that compares, applies or reports candidates."""
        if self.machine.phase == "report":
            return await self._compare()
        if self._rivals is not None and self._agent.kernel.turn > 1:
            target = self._files[0]
            if not self._rivals.tried:
                await self._rivals.search(target, self._suspicion.lines.get(target.path, {}))
            if self._rivals.found and not self._rivals.untellable:
                chosen = await self._rivals.best(target, None)
                if chosen is not None:
                    await self._adopt(chosen)
                    return None
                if not self._rivals.untellable:
                    return self._vote()
            if self._rivals.untellable and self._agent.kernel.ledger.left("model_calls") < 1:
                await self._adopt(self._rivals.likeliest())
                raise Stop("undecided")
        return await super().next_ask()

    def _vote(self) -> Ask | None:
        """Ask for the function as the specification has it: candidates that disagree are compared with that."""
        if self._rivals is not None and not self._can_vote():
            self._rivals.hear(None)
            return None
        self._voting = True
        return VOTE

    def _can_vote(self) -> bool:
        target = self._files[0]
        known = outline(target.text, describe(self._agent.task)) is not None
        return known and self._agent.kernel.ledger.left("model_calls") >= 1

    def form(self, ask: Ask, path: str) -> str:
        """With the failing case before its eyes the model is asked what is wrong first."""
        form = super().form(ask, path)
        if not self._diagnosed(ask):
            return form
        return f"First say in one sentence what is wrong. {form.removesuffix(' No other text.')}"

    async def consider(self, reply: Reply, actions: tuple[Action, ...]) -> tuple[Action, ...] | FormatError:
        """Record the diagnosis that came with the change, before anything is edited; keep a vote for comparison."""
        if self._voting and self._rivals is not None:
            self._voting = False
            known = {file.path: file.text for file in self._files}
            try:
                self._rivals.hear(self.completed(actions[0], known).args["files"][0]["content"])
            except (NotSpliceable, LookupError):
                self._rivals.hear(None)
            return ()
        considered = await super().consider(reply, actions)
        said = reply.text.split("```", 1)[0].strip()
        if self._diagnosed(self._ask) and said and not isinstance(considered, FormatError):
            self._workflow.attributor.diagnosed(said[:500])
        return considered

    async def rejected(self, reply: Reply, error: FormatError) -> None:
        """A vote in another form than asked for counts as none."""
        if self._voting and self._rivals is not None:
            self._voting = False
            self._rivals.hear(None)
        await super().rejected(reply, error)

    async def observed(self, reply: Reply, results: list[tuple[Action, ToolResult]]) -> None:
        """A vote changes nothing, so nothing is verified after it."""
        if results:
            await super().observed(reply, results)

    def _diagnosed(self, ask: Ask) -> bool:
        return ask.hint and ask.shape == "definition"

    async def verify(self) -> bool:
        """Run the registered checks on the change as it stands."""
        for check in self._workflow.checks:
            ran = await run_check(self._agent, self._workflow, check, "check")
            if not ran.passed:
                self.machine.advance("failed")
                self._attribute([ran])
                return False
        self.machine.advance("passed")
        target = self._files[0]
        text = (await self._agent.kernel.read(target.path)).decode("utf-8", "replace")
        if self._applied is None or self._applied.text != text:
            self._applied = Plausible(text, "model", changed_lines(target.text, text))
            self._drawn = self._ask.temperature > 0
        return True

    async def _compare(self) -> Ask | None:
        """Keep the change that passed, or the rival that behaves better; then report."""
        target = self._files[0]
        kept = self._applied
        if self._rivals is not None and kept is not None and kept.source == "model" and kept.changed_lines:
            if not self._rivals.tried:
                lines = self._suspicion.lines.get(target.path, {})
                await self._rivals.search(target, lines, kept)
            best = await self._rivals.best(target, kept)
            if best is None:
                return self._vote()
            if best is not kept:
                await self._disagree(kept, best)
                return None
            if self._drawn and not self._rivals.compared:
                raise Stop("undecided", LUCKY)
        await self._agent.kernel.declare(self._report(), by="runtime")
        return None

    async def _disagree(self, kept: Plausible, best: Plausible) -> None:
        detail = "other candidates that pass the visible checks agree on another behaviour near the tests' inputs"
        kernel = self._agent.kernel
        event = CheckRan("episode", "agreement of candidates", "review", "", False, None, [], detail, 0.0)
        kernel.recorder.emit(event)
        self.machine.advance("failed")
        evidence = [f"kept: {kept.source}, {kept.changed_lines} lines", f"better: {best.source}"]
        expected = "agreement with the candidates that fail on fewest inputs"
        found = Attribution(detail, expected, "F_verify", evidence, [], "apply the candidate that behaves better")
        self._workflow.attributor.record(found)
        self.machine.advance("attributed")
        await kernel.restore(kernel.start)
        await self._adopt(best)

    async def _adopt(self, chosen: Plausible) -> None:
        """Apply a candidate that was found without asking the model, and verify it."""
        action = Action("apply", {"files": [{"path": self._files[0].path, "content": chosen.text}]})
        result = await self._agent.act(action, chosen.source, by="runtime")
        if not result.ok:
            raise Stop("no_candidate", f"the chosen candidate could not be applied: {result.text}")
        self._applied = chosen
        if not await self.verify():
            if self._rivals is not None:
                self._rivals.drop(chosen)
            await self._agent.kernel.restore(self._agent.kernel.start)

    def _attribute(self, ran: list[Ran]) -> None:
        """Separate what was observed from what was expected and from the diagnosis; word the next question's hint."""
        suspicious = [f"suspicious: {text}" for text in self._suspicion.top[:3]]
        self._failing = self._workflow.attributor.commands([item.done for item in ran], suspicious)
        self._failure = "\n".join(self._hint()) if self._hinting else ""
        self.machine.advance("attributed")

    def _hint(self) -> Iterator[str]:
        for failure in self._failing[:3]:
            if failure.call and failure.expected:
                got = failure.observed or failure.message
                yield f"{failure.call} gives {got}, but it should give {failure.expected}"
            elif failure.expected and failure.observed:
                yield f"{failure.test or 'a test'}: expected {failure.expected}, got {failure.observed}"
            else:
                given = f" (called with {failure.call})" if failure.call else ""
                yield f"{failure.test or 'a check'}{given}: {failure.kind}: {failure.message[:300]}"
        if self._suspicion.top:
            yield "Most suspicious lines:"
            yield from (f"  {text}" for text in self._suspicion.top[:3])

    def _report(self) -> str:
        source = self._applied.source if self._applied is not None else "model"
        names = ", ".join(check.name for check in self._workflow.checks)
        return f"{source} change; all registered checks pass on it: {names}"


def changed_lines(before: str, after: str) -> int:
    """How many lines a change takes away or adds."""
    diff = difflib.ndiff(before.splitlines(), after.splitlines())
    return sum(line[:2] in {"+ ", "- "} for line in diff)
