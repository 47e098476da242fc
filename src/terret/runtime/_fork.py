"""Fork: another future from a turn of an episode, with what led there taken over from its record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from terret.errors import ConfigError
from terret.journal import (
    CheckedPackage,
    EpisodeOpened,
    Event,
    Intent,
    Journal,
    Observed,
    Outcome,
    Scrubber,
    SigningKey,
    Stopped,
    check_package,
)
from terret.models import ModelIdentity, read_reply
from terret.runtime._edits import EDIT_FORMS, Edit, EditForm, edits_of
from terret.runtime._hear import apply_patch
from terret.runtime._policies import policy_of
from terret.runtime._replay import opening, rebuild
from terret.sandbox import Workspace
from terret.task import decode_task, task_json


def fork_package(
    source: Path,
    folder: Path,
    *,
    at: int,
    key: SigningKey,
    model: ModelIdentity | None = None,
    edit: tuple[EditForm, str] | None = None,
    scrubber: Scrubber | None = None,
) -> Path:
    """Make ``folder`` an interrupted episode that shares the record of a package up to the end of turn ``at``.

    :func:`terret.runtime.resume_episode` goes on from there. Image and dialect stay those of the source, whatever
    ``model`` is; nothing of the source is changed. An ``edit`` is what goes otherwise in turn ``at``: form and text.

    ===============  ============================================  ================================================
    form             text                                          the record is shared up to
    ===============  ============================================  ================================================
    ``workspace``    a unified diff                                the end of the turn; then it is applied
    ``task``         an objective                                  the end of the turn; the agent is told. At turn 0
                                                                   the task itself has it
    ``reply``        what the model answered in the turn           the end of the turn before
    ``observation``  what the agent was shown first in the turn    what is shown
    ===============  ============================================  ================================================

    Raises:
        ConfigError: The episode has no such turn, ``folder`` is in use, or the edit does not fit.
        PackageError: The source is damaged, or does not hold the states of its workspace.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError("the folder is in use", where=str(folder), hint="name a new one with --out")
    package = check_package(source)
    opened = opening(package)
    form = None if edit is None else edit[0]
    if form is not None and form not in EDIT_FORMS:
        raise ConfigError("unknown form of an edit", value=form, hint="use one of " + ", ".join(EDIT_FORMS))
    shared = _shared(package, at, form)
    last = shared[-1]

    def forked(journal: Journal) -> EpisodeOpened:
        made = None if edit is None else _edit(opened, at, *edit, journal)
        until = (at, 9) if made is None else made.place
        # A second reply for one turn, or a second text shown in it, takes the place of the first.
        stands = form not in ("reply", "observation")
        edits = [old for old in edits_of(opened.forked_from) if old.place < until or (old.place == until and stands)]
        source = {"episode": last.episode, "turn": at, "hash": last.hash}
        if edits or made is not None:
            source["edits"] = msgspec.to_builtins([*edits, *([] if made is None else [made])])
        task = opened.task
        if edit is not None and form == "task" and at == 0:
            asked = msgspec.structs.replace(decode_task(journal.blobs.get(task)), objective=edit[1].strip())
            task = journal.blobs.put(task_json(asked))
        return msgspec.structs.replace(
            opened,
            task=task,
            public_key=key.public_hex,
            model=opened.model if model is None else msgspec.to_builtins(model),
            forked_from=source,
        )

    try:
        with rebuild(package, folder / "live", shared, key, opened=forked, scrubber=scrubber) as journal:
            if edit is not None and form == "workspace":
                _try(package, folder / "live", shared, edit[1], journal)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _edit(opened: EpisodeOpened, at: int, form: EditForm, text: str, journal: Journal) -> Edit:
    if not text.strip():
        raise ConfigError("the edit is empty", where=form, hint="write what is to be there instead")
    if form == "reply":
        text = msgspec.json.encode(read_reply(text, native=opened.dialect == "tools")).decode()
    if form == "task":
        text = text.strip()
    return Edit(form, at, msgspec.to_builtins(journal.text(text)))


def _try(package: CheckedPackage, live: Path, shared: list[Event], patch: str, journal: Journal) -> None:
    """Make sure that a patch fits, before anything is run."""
    opened = opening(package)
    if (opened.image, opened.level) == ("guided", "H3"):
        raise ConfigError(
            "this agent style keeps its own account of the files", value="guided at H3", hint="edit a reply"
        )
    if journal.holds_secret(patch):
        raise ConfigError("the patch holds a secret, which the journal must not keep", hint="leave it out")
    workspace = Workspace.open(live / "workspace")
    trees = [event.data.tree for event in shared if isinstance(event.data, Outcome) and event.data.tree]
    tree = trees[-1] if trees else workspace.base
    workspace.restore(tree)
    policy = policy_of(decode_task(package.blobs.get(opened.task)), opened.level, opened, journal.blobs)
    status, result, _ = apply_patch(workspace, policy, tree, patch)
    if status != "ok":
        raise ConfigError(f"the edit was refused: {result['message']}", value=result["failure"], where="workspace")


def _shared(package: CheckedPackage, at: int, form: EditForm | None) -> list[Event]:
    """The events that a fork shares with its source."""
    turns = max((getattr(event.data, "turn", 0) for event in package.events), default=0)
    first = 1 if form in ("reply", "observation") else 0
    if not first <= at <= turns:
        raise ConfigError("the episode has no such turn", value=at, hint=f"it has turns {first} to {turns}")
    if form == "reply":
        _find(package, at, lambda event: isinstance(event.data, Intent) and event.data.primitive == "model.complete")
        return _until(package, at - 1)
    if form == "observation":
        return package.events[: _find(package, at, lambda event: isinstance(event.data, Observed))]
    return _until(package, at)


def _until(package: CheckedPackage, at: int) -> list[Event]:
    """The events up to the end of a turn."""
    for index, event in enumerate(package.events):
        if isinstance(event.data, Stopped) or getattr(event.data, "turn", 0) > at:
            return package.events[:index]
    return package.events


def _find(package: CheckedPackage, at: int, fits: Callable[[Event], bool]) -> int:
    """Where the first event of a turn is that fits."""
    for index, event in enumerate(package.events):
        if getattr(event.data, "turn", None) == at and fits(event):
            return index
    raise ConfigError("there is nothing of that form in this turn", value=at, hint="choose another turn")
