"""Races on paths: a command swaps a folder for a link while the file primitives and snapshots work on it."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from terret.errors import SandboxError
from terret.journal import Intent, Journal, Outcome, SigningKey
from terret.sandbox import Command, FileRefused, Sandbox, Workspace
from terret.task import Limits, Repository

SECONDS = 1.5
_SECRET = "canary-of-the-race"
_SWAP = """
import os, sys, time
target, end = sys.argv[1], time.time() + float(sys.argv[2])
turn = 0
while time.time() < end:
    turn += 1
    try:
        os.symlink(target, "next") if turn % 2 else os.mkdir("next")
        os.rename("spot", "old") if os.path.lexists("spot") else None
        os.rename("next", "spot")
        os.rmdir("old") if os.path.isdir("old") and not os.path.islink("old") else os.unlink("old")
    except OSError:
        os.system("rm -rf old next")
"""


def _write(workspace: Workspace) -> None:
    workspace.write("spot/file", b"evil")


def _read(workspace: Workspace) -> None:
    if workspace.read("spot/file") == _SECRET.encode():
        raise AssertionError("the secret was read")


def _delete(workspace: Workspace) -> None:
    workspace.delete("spot/file")


def _snapshot(workspace: Workspace) -> None:
    tree = workspace.snapshot()
    if workspace.show(tree, "spot/file") == _SECRET.encode():
        raise AssertionError("the secret was stored")


def _restore(workspace: Workspace) -> None:
    workspace.restore(workspace.base)


RACES: dict[str, Callable[[Workspace], None]] = {
    "race-write": _write,
    "race-read": _read,
    "race-delete": _delete,
    "race-snapshot": _snapshot,
    "race-restore": _restore,
}


def race(name: str, tier: str, seconds: float = SECONDS) -> tuple[bool, str, int | None]:
    """Act again and again while a command swaps the folder: blocked, the reason, and the event that holds it."""
    refusals = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="terret-race-", ignore_cleanup_errors=True) as folder:
        victim = Path(folder, "victim")
        victim.mkdir()
        (victim / "file").write_text(_SECRET, "utf-8")
        workspace = Workspace.create(Path(folder, "work"), Repository(files={"a": "a\n"}), base_folder=None)
        limits = Limits(wall_s=30, memory_mb=256)
        with (
            Sandbox(workspace.root, tier=tier, allow_none=tier == "none") as sandbox,  # type: ignore[arg-type]
            Journal.create(Path(folder, "journal"), name, SigningKey(bytes(32))) as journal,
        ):
            journal.append(Intent("e0", name, "workspace", {"path": "spot/file"}, {"effect": "allow"}, 1))
            command = Command(f"python3 - {victim} {seconds}", stdin=_SWAP.encode(), limits=limits)
            thread = threading.Thread(target=sandbox.run, args=(command,))
            thread.start()
            leaked = ""
            while thread.is_alive():
                try:
                    RACES[name](workspace)
                except FileRefused as error:
                    refusals[error.reason] += 1
                except SandboxError:
                    refusals["changed meanwhile"] += 1
                except AssertionError as error:
                    leaked = str(error)
            thread.join()
            if sorted(path.name for path in victim.iterdir()) != ["file"]:
                leaked = "the folder outside was changed"
            elif (victim / "file").read_text("utf-8") != _SECRET:
                leaked = "the file outside was changed"
            status = "ok" if leaked else "error"
            reason = leaked or "refused: " + ", ".join(f"{why} {count}x" for why, count in refusals.most_common())
            if not leaked and not refusals:
                reason = "no link was followed"
            event = journal.append(Outcome("e0", status, {"failure": reason}, seconds * 1000), durable=True)
            return not leaked, reason, event.seq
