"""What H2 and H3 add to an agent: guides built from the repository, ranked context, project memory, checked state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from terret.context import Repo, guides, influenced, rank
from terret.errors import InputError
from terret.journal import (
    ActionParsed,
    Attributed,
    Event,
    Intervened,
    Labelled,
    MemoryReferenced,
    Observed,
    PatchTaken,
    StateUpdated,
    load_text,
)
from terret.memory import ProjectMemory, new_note
from terret.runtime._harness import FILES, FOLDER, TEXTS
from terret.runtime._levels import Level, is_visible
from terret.runtime._prompts import describe, test_commands
from terret.runtime._recorder import Recorder
from terret.sandbox import Workspace
from terret.state import contradictions, facts_of, fold, render
from terret.task import Task

RANKED_TOKENS = 6000
"""Budget of the ranked spans."""

RECENT_FILES = 20
"""Most paths of earlier changes that are shown."""

_CHANGED = "# Changed by earlier episodes, latest first"

MEMORY_ARTIFACT = f"{FOLDER}/{FILES['known_failures']}"


class Support(msgspec.Struct, frozen=True):
    """The level's further artifacts by name, and the repository's files in the order they matter for the task."""

    guides: dict[str, str] = {}
    ranking: list[dict[str, object]] = []

    @property
    def paths(self) -> list[str]:
        """The ranked files, each once."""
        return list(dict.fromkeys(str(item["path"]) for item in self.ranking))


def remember(
    recorder: Recorder, level: Level, memory: ProjectMemory | None, ablated: frozenset[str], paths: Sequence[str]
) -> str:
    """What is known of the repository as the episode begins; recorded, so that a resumed run sees the same.

    Known failures, then project notes, then those of ``paths`` that earlier episodes changed.
    """
    if not uses_memory(level, ablated):
        return ""

    def consult() -> MemoryReferenced:
        text = _recollection(memory, paths) if memory is not None else ""
        return MemoryReferenced(0, MEMORY_ARTIFACT, text or "nothing is known yet", False)

    return recorder.step(MemoryReferenced, consult, durable=True).contributed


def uses_memory(level: Level, ablated: frozenset[str]) -> bool:
    """Whether project memory is part of an episode: from H2 on, unless it is switched off."""
    return is_visible("known_failures", level) and "memory" not in ablated


def _recollection(memory: ProjectMemory, paths: Sequence[str]) -> str:
    notes = memory.notes()
    parts = [memory.render("known_failure"), *([memory.render("note")] if notes else [])]
    there = set(paths)
    lines = (line for note in reversed(notes) for line in note.evidence.splitlines())
    changed = list(dict.fromkeys(line for line in lines if line in there))[:RECENT_FILES]
    if changed:
        parts.append("".join(f"{line}\n" for line in (_CHANGED, "", *(f"- {path}" for path in changed))))
    return "\n".join(parts)


def _recently_changed(known: str) -> list[str]:
    """The paths at the end of a recollection, latest first."""
    _, found, rest = known.rpartition(f"{_CHANGED}\n")
    return [line[2:] for line in rest.splitlines() if line.startswith("- ")] if found else []


def support_of(
    task: Task,
    level: Level,
    workspace: Workspace,
    known: str,
    ablated: frozenset[str],
    carried: Mapping[str, object] | None = None,
) -> Support:
    """Build a level's support from the initial state of the repository; nothing below H2."""
    if not is_visible("agent_guide", level):
        return Support()
    texts = {"known_failures": known} if known else {}
    if carried:
        texts["task_state"] = f"{TEXTS['task_state']}\n## Carried over from earlier tasks\n\n{render(fold([carried]))}"
    history = _recently_changed(known)
    ranking: list[dict[str, object]] = []
    if "context" not in ablated:
        base = workspace.base
        repo = Repo(tuple(workspace.paths(base)), lambda path: workspace.show(base, path))
        texts |= guides(repo, task, history=history)
        spans = rank(
            repo,
            describe(task),
            budget_tokens=RANKED_TOKENS,
            tests=test_commands(task),
            hints=task.hints,
            history=history,
        )
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
        elif isinstance(data, Intervened):
            items.append({"artifact": "results", "text": data.text, "turn": data.turn})
    found = influenced(items, actions, patch_files)
    return {name: used for name, used in found.items() if name not in ("task", "results")}


def state_warnings(events: Sequence[Event], state: dict[str, object], task: Task, paths: Sequence[str]) -> list[str]:
    """Where the agent's task state contradicts what was observed."""
    facts = facts_of(events, paths=paths, test_commands=test_commands(task))
    try:
        return contradictions(fold([state]), facts)
    except InputError as error:
        return [f"the task state is not well formed: {error.message}"]


def learn(memory: ProjectMemory, task: str, events: Sequence[Event]) -> None:
    """Leave to later episodes on the repository what failed in a finished one, and what a change that works touched.

    Learning twice from one episode adds nothing.
    """
    episode = events[0].episode
    labelled = next((event.data for event in reversed(events) if isinstance(event.data, Labelled)), None)
    failure = next((e.data.evidence[0] for e in events if isinstance(e.data, Attributed) and e.data.evidence), "")
    label = (labelled.label if labelled else None) or "none"
    if failure:
        memory.add(new_note("known_failure", f"{task}: {failure}", evidence=f"label {label}", episode=episode))
    patch = next((event.data for event in reversed(events) if isinstance(event.data, PatchTaken)), None)
    if patch is not None and label.endswith("_success"):
        changed = "\n".join(str(file["path"]) for file in patch.files[:RECENT_FILES])
        said = [e.data.changes.get("hypothesis") for e in events if isinstance(e.data, StateUpdated)]
        found = next((str(text) for text in reversed(said) if text), "")
        text = f"{task}: solved ({label})" + (f": {found}" if found else "")
        memory.add(new_note("note", text, evidence=changed, episode=episode))
