"""The sandbox of one workspace: which tier is in force, and commands run in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from msgspec.structs import replace

from terret.errors import SandboxError, SandboxUnavailable
from terret.sandbox._admission import Admission, Claim, memory_hint
from terret.sandbox._bwrap import arguments, base_environment, find_bwrap, system_ready
from terret.sandbox._cgroup import Group, find_hierarchy
from terret.sandbox._command import (
    choose,
    in_folder,
    open_stdin,
    readable,
    script,
    special_files,
    unrunnable,
    with_process_limit,
)
from terret.sandbox._landlock import confined
from terret.sandbox._launch import Cage
from terret.sandbox._limits import process_limits
from terret.sandbox._plain import run_plain
from terret.sandbox._probe import probe
from terret.sandbox._proxy import Egress, reaching
from terret.sandbox._run import supervise
from terret.sandbox._seccomp import build
from terret.sandbox._types import Command, Completed, Tier
from terret.sandbox._warm import LONGEST, WarmKey, WarmPool
from terret.sandbox._watch import DiskMeter, Watch
from terret.task import Limits

if TYPE_CHECKING:
    from terret.sandbox._session import Session


_MOST_PREPARED = 64


class Sandbox:
    """Runs commands on one workspace.

    Args:
        workspace: The folder commands see as ``/workspace``.
        tier: The tier to use; the best available by default.
        read_only: Absolute folders of this machine to show read-only under their own names (tool chains).
        env: Further variables of every command.
        allow_none: Whether a machine without isolation, or ``tier="none"``, is acceptable.
        warm: Whether to keep the sandbox of the next command ready: two waiting processes for a quicker start.
        admission: The memory its commands share with those of other sandboxes; each is alone without. A shell session
            takes no part.
        egress: What commands may reach through a proxy; a shell session reaches nothing.

    Raises:
        SandboxUnavailable: The machine cannot give the tier, or ``none`` was not allowed.
        SandboxError: The workspace or a read-only folder is missing or not allowed.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        tier: Tier | None = None,
        read_only: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        allow_none: bool = False,
        warm: bool = False,
        admission: Admission | None = None,
        egress: Egress | None = None,
    ) -> None:
        self.tier: Tier = choose(tier, allow_none)
        self.workspace = os.path.realpath(workspace)
        if not Path(self.workspace).is_dir():
            raise SandboxError("the workspace is not a folder", where=str(workspace))
        self.read_only = tuple(readable(path) for path in read_only)
        self.environment = base_environment() | dict(env or {})
        self._bwrap = find_bwrap() or ""
        self._overlay = probe().features.get("overlay") is True
        self._landlock = self.tier == "full" and bool(probe().features.get("landlock"))
        found = find_hierarchy() if self.tier != "none" else None
        self._admission = admission
        self.egress = egress
        if admission is not None and found is not None and self.tier == "full":
            found = admission.around(found)
        self._hierarchy = found if found is None or self.tier == "full" else found.without_memory()
        self._disk = DiskMeter(self.workspace)
        self._lock = threading.Lock()
        self._open: set[Cage | Session] = set()
        self._closed = False
        self._prepared: dict[tuple[object, ...], bytes] = {}
        self._home: str | None = None
        self._warm = WarmPool(self._launch_warm, self.retire) if warm and self.tier != "none" else None

    def declare(self) -> dict[str, Any]:
        """What is really in force, as JSON-ready data."""
        if self.tier == "none":
            return {
                "tier": "none",
                "isolation": False,
                "rlimits": sorted(process_limits(Limits(), tree_guarded=False)),
                "watchdog": ["wall", "output"],
                "network": "the host's",
            }
        program = build()
        grouped = self._hierarchy
        return {
            "tier": self.tier,
            "isolation": True,
            "bubblewrap": str(probe().features.get("bubblewrap", "unknown")),
            "namespaces": ["cgroup", "ipc", "mount", "net", "pid", "user", "uts"],
            "seccomp_rules": program.rules if program is not None else 0,
            "landlock": str(probe().features["landlock"]) if self._landlock else "missing",
            "no_new_privs": True,
            "capabilities": [],
            "cgroup": {"version": grouped.version, "controllers": sorted(grouped.roots)} if grouped else None,
            "rlimits": sorted(process_limits(Limits(), tree_guarded=self.tier == "full")),
            "watchdog": ["wall", "output", "cpu", "pids", "disk", *([] if self.tier == "full" else ["memory"])],
            "network": "off unless a command asks" if self.egress is None else "allow-listed, through a proxy",
            "egress": [to_builtins(rule) for rule in self.egress.rules] if self.egress is not None else [],
            "secrets": [secret.name for secret in self.egress.secrets] if self.egress is not None else [],
            "scratch": "overlay" if self._overlay else "copy",
            "read_only": list(self.read_only),
            "shared_memory_mb": self._admission.total_mb if self._admission is not None else None,
        }

    def run(self, command: Command) -> Completed:
        """Run one command to its end; nothing it started survives.

        Raises:
            SandboxError: The sandbox itself broke; a failing command is no error.
        """
        self.check_open()
        refused = unrunnable(command.run, command.env)
        if refused is not None:
            return refused
        text = in_folder(command.run, command.cwd)
        with open_stdin(command.stdin) as stdin:
            if self.tier == "none":
                return self._run_plain(text, command, stdin)
            with self._admitted(command) as claim:
                if command.scratch and not self._overlay:
                    with self._copy() as copy:
                        return self._run_caged(text, command, stdin, copy, DiskMeter(copy), claim)
                if self._warm and self.egress is None and command.stdin is None and not command.scratch:
                    return self._run_warm(self._warm, text, command, stdin, claim)
                disk = None if command.scratch else self._disk
                return self._run_caged(text, command, stdin, self.workspace, disk, claim)

    def session(self, limits: Limits) -> Session:
        """A shell that stays open; ``limits`` holds for it as a whole, output and CPU time for each command.

        Raises:
            SandboxUnavailable: The tier is ``none``.
        """
        from terret.sandbox._session import Session

        self.check_open()
        if self.tier == "none":
            raise SandboxUnavailable("a shell session needs isolation", value="none", hint="run single commands")
        return Session(self, limits)

    def settle(self) -> None:
        """Wait until the sandbox of the next command is ready, where one is kept."""
        if self._warm is not None:
            self._warm.settle()

    def close(self) -> None:
        """End everything that runs; harmless when done twice."""
        with self._lock:
            self._closed = True
            running = list(self._open)
        if self._warm is not None:
            self._warm.close()
        for one in running:
            if isinstance(one, Cage):
                one.kill()
            else:
                one.close()
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # what the session needs

    def check_open(self) -> None:
        """Refuse to work after :meth:`close`."""
        if self._closed:
            raise SandboxError("the sandbox is closed", hint="open a new one")

    def launch(
        self,
        command: Sequence[str],
        limits: Limits,
        *,
        stdin: int,
        env: Mapping[str, str],
        network: bool = False,
        overlay: bool = False,
        workspace: str | None = None,
        shown: Mapping[str, str] | None = None,
        cpu: bool = True,
    ) -> tuple[Cage, Group | None]:
        """Start bubblewrap with a command; the caller gives both back with :meth:`retire`.

        ``shown`` maps a place inside to a file of this machine to show there.
        """
        grouped = self._hierarchy is not None
        program = build(network=network)
        command = confined([*command]) if self._landlock else command
        cage = Cage(
            self._bwrap,
            self._arguments(workspace or self.workspace, limits, tuple(env.items()), network, overlay, shown),
            command if grouped else with_process_limit(command, limits.pids),
            bpf=program.bpf if program is not None else b"",
            stdin=stdin,
            limits=process_limits(limits, tree_guarded=self.tier == "full", cpu=cpu),
            gated=grouped,
            # Without a group the kernel does not bound root's processes; the watchdog must be quicker than they are.
            yielding=not grouped and os.geteuid() == 0,
        )
        group = None
        if self._hierarchy is not None:
            try:
                group = self._hierarchy.group(limits)
            except OSError as error:
                cage.kill()
                cage.reap()
                cage.close()
                why = f"a control group cannot be made: {error.strerror}"
                raise SandboxError(why, hint="run `terret doctor`") from None
            cage.admit(group)
        with self._lock:
            self._open.add(cage)
            closed = self._closed
        if closed:
            cage.kill()
        return cage, group

    def _arguments(
        self,
        folder: str,
        limits: Limits,
        env: tuple[tuple[str, str], ...],
        network: bool,
        overlay: bool,
        shown: Mapping[str, str] | None,
    ) -> bytes:
        """Bubblewrap's arguments as it reads them; those of the last commands are kept."""
        key = (folder, limits, env, network, overlay)
        found = None if shown else self._prepared.get(key)
        if found is None or not system_ready():
            words = arguments(
                folder,
                read_only=self.read_only,
                environment=self.environment | dict(env),
                limits=limits,
                network=network,
                overlay=overlay,
                shown=shown,
            )
            found = b"".join(os.fsencode(word) + b"\0" for word in words)
            if not shown:
                if len(self._prepared) >= _MOST_PREPARED:
                    self._prepared.clear()
                self._prepared[key] = found
        return found

    def retire(self, cage: Cage, group: Group | None) -> None:
        """Give back a sandbox that has been reaped."""
        with self._lock:
            self._open.discard(cage)
        cage.close()
        if group is not None:
            group.close()

    def adopt(self, session: Session) -> None:
        """Close this session together with the sandbox."""
        with self._lock:
            self._open.add(session)

    def release(self, session: Session) -> None:
        """The session has closed itself."""
        with self._lock:
            self._open.discard(session)

    @property
    def disk(self) -> DiskMeter:
        """The meter of the workspace."""
        return self._disk

    # one command

    @contextlib.contextmanager
    def _admitted(self, command: Command) -> Generator[Claim | None]:
        """Wait for memory where it is shared; what the command holds of it."""
        claim = None
        if self._admission is not None and self._admission.control:
            most = command.limits.memory_mb
            # Without a control group there is no soft limit to pause at.
            soft = memory_hint(command.memory, command.limits) if self.tier == "full" else most
            claim = self._admission.enter(soft or most, most, lambda: self._closed)
            self.check_open()
        try:
            yield claim
        finally:
            if claim is not None:
                claim.close()

    def _launch_warm(self, words: list[str], key: WarmKey, stdin: int) -> tuple[Cage, Group | None]:
        return self.launch(words, key.limits, stdin=stdin, env=dict(key.env), network=key.network)

    def _run_warm(self, pool: WarmPool, text: str, command: Command, stdin: int, claim: Claim | None) -> Completed:
        """Run in the sandbox that waits, if there is one; have the next made ready meanwhile."""
        key = WarmKey(_settled(command.limits), tuple(command.env.items()), command.network)
        ready = pool.take(key) if len(os.fsencode(text)) <= LONGEST else None
        try:
            if ready is None:
                return self._run_caged(text, command, stdin, self.workspace, self._disk, claim)
            if ready.group is not None:
                ready.group.reset_peak()
            watch = Watch(command.limits, ready.group, self._disk, ready.cage.init, claim)
            if not ready.give(text):
                pool.discard(ready)
                return self._run_caged(text, command, stdin, self.workspace, self._disk, claim)
            return self._supervised(ready.cage, ready.group, watch)
        finally:
            pool.want(key)

    def _supervised(self, cage: Cage, group: Group | None, watch: Watch) -> Completed:
        try:
            return supervise(cage, watch)
        except BaseException:
            cage.kill()
            with contextlib.suppress(SandboxError):
                cage.reap()
            raise
        finally:
            self.retire(cage, group)

    def _run_caged(
        self, text: str, command: Command, stdin: int, folder: str, disk: DiskMeter | None, claim: Claim | None
    ) -> Completed:
        overlay = command.scratch and folder == self.workspace
        egress = None if command.network else self.egress
        with script(text) as (words, shown), reaching(egress, words, shown, command.env) as way:
            cage, group = self.launch(
                way.words,
                command.limits,
                stdin=stdin,
                env=way.env,
                network=command.network,
                overlay=overlay,
                workspace=folder,
                shown=way.shown,
            )
            done = self._supervised(cage, group, Watch(command.limits, group, disk, claim=claim))
        return replace(done, egress=way.decisions) if way.decisions else done

    def _run_plain(self, text: str, command: Command, stdin: int) -> Completed:
        with self._lock:
            if self._home is None:
                self._home = tempfile.mkdtemp(prefix="terret-home-")
        env = self.environment | {"HOME": self._home} | command.env
        return run_plain(text, folder=self.workspace, stdin=stdin, environment=env, limits=command.limits)

    @contextlib.contextmanager
    def _copy(self) -> Generator[str]:
        with tempfile.TemporaryDirectory(prefix="terret-scratch-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder, "tree")
            shutil.copytree(self.workspace, copy, symlinks=True, ignore=special_files)
            yield str(copy)


def _settled(limits: Limits) -> Limits:
    """Limits without those that the watchdog alone keeps: they may differ from command to command."""
    return replace(limits, wall_s=1.0, output_kb=1)
