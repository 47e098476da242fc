"""What H2 and H3 add to an agent: guides built from the repository, ranked context, project memory, checked state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from terret.context import Repo, guides, influenced, rank
from terret.errors import InputError
from terret.journal import ActionParsed, Event, MemoryReferenced, Observed, load_text
from terret.memory import ProjectMemory, new_note
from terret.runtime._harness import FILES, FOLDER
from terret.runtime._levels import Level, is_visible
from terret.runtime._prompts import describe, test_commands
from terret.runtime._recorder import Recorder
from terret.sandbox import Workspace
from terret.state import contradictions, facts_of, fold
from terret.task import Task

RANKED_TOKENS = 6000
"""Budget of the ranked spans."""

MEMORY_ARTIFACT = f"{FOLDER}/{FILES['known_failures']}"


class Support(msgspec.Struct, frozen=True):
    """The level's further artifacts by name, and the repository's files in the order they matter for the task."""

    guides: dict[str, str] = {}
    ranking: list[dict[str, object]] = []

    @property
    def paths(self) -> list[str]:
        """The ranked files, each once."""
        return list(dict.fromkeys(str(item["path"]) for item in self.ranking))


def remember(recorder: Recorder, level: Level, memory: ProjectMemory | None, ablated: frozenset[str]) -> str:
    """What is known of the repository as the episode begins; recorded, so that a resumed run sees the same."""
    if not is_visible("known_failures", level) or "memory" in ablated:
        return ""

    def consult() -> MemoryReferenced:
        text = memory.render("known_failure") if memory is not None else ""
        return MemoryReferenced(0, MEMORY_ARTIFACT, text or "nothing is known yet", False)

    return recorder.step(MemoryReferenced, consult, durable=True).contributed


def support_of(task: Task, level: Level, workspace: Workspace, known: str, ablated: frozenset[str]) -> Support:
    """Build a level's support from the initial state of the repository; nothing below H2."""
    if not is_visible("agent_guide", level):
        return Support()
    texts = {"known_failures": known} if known else {}
    ranking: list[dict[str, object]] = []
    if "context" not in ablated:
        base = workspace.base
        repo = Repo(tuple(workspace.paths(base)), lambda path: workspace.show(base, path))
        texts |= guides(repo, task)
        spans = rank(repo, describe(task), budget_tokens=RANKED_TOKENS, tests=test_commands(task), hints=task.hints)
        ranking = [
            {"path": s.path, "start": s.start, "end": s.end, "tokens": s.tokens, "reason": s.reason} for s in spans
        ]
    return Support(texts, ranking)


def influences(recorder: Recorder, support: Support, task: Task, patch_files: Sequence[str]) -> dict[str, bool]:
    """For each guide and ranked place, whether it influenced a decision, by what was done and not by what was said.

    What the task says and what results showed counts as seen too, so that a guide that only repeats it gets no credit.
    """
    if not support.guides and not support.ranking:
        return {}
    items: list[Mapping[str, object]] = [{"artifact": "task", "text": describe(task), "turn": 0}]
    items += [{"artifact": f"{FOLDER}/{FILES[name]}", "text": text} for name, text in support.guides.items()]
    items += [{**item, "artifact": f"ranked: {item['path']}"} for item in support.ranking]
    actions: list[dict[str, object]] = []
    for event in recorder.seen():
        data = event.data
        if isinstance(data, ActionParsed) and data.by == "agent":
            actions.append({"turn": data.turn, "args": data.args})
        elif isinstance(data, Observed):
            text = load_text(data.text, recorder.journal.blobs)
            items.append({"artifact": "results", "text": text, "turn": data.turn + 1})
    found = influenced(items, actions, patch_files)
    return {name: used for name, used in found.items() if name not in ("task", "results")}


def state_warnings(events: Sequence[Event], state: dict[str, object], task: Task, paths: Sequence[str]) -> list[str]:
    """Where the agent's task state contradicts what was observed."""
    facts = facts_of(events, paths=paths, test_commands=test_commands(task))
    try:
        return contradictions(fold([state]), facts)
    except InputError as error:
        return [f"the task state is not well formed: {error.message}"]


def learn(memory: ProjectMemory | None, task: Task, episode: str, failure: str, label: str | None) -> None:
    """Leave what a failed or hard-won episode showed to later ones on the same repository."""
    if memory is None or not failure:
        return
    text = f"{task.name}: {failure}"
    memory.add(new_note("known_failure", text, evidence=f"label {label or 'none'}", episode=episode))
