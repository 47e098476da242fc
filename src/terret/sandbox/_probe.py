"""What isolation this machine really gives: every answer comes from trying it."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import tempfile
import threading
from pathlib import Path

from terret.errors import SandboxError
from terret.sandbox._bwrap import SHELL, arguments, base_environment, find_bwrap
from terret.sandbox._cgroup import find_hierarchy
from terret.sandbox._host import confiner, program
from terret.sandbox._landlock import confined, landlock_version, unusable
from terret.sandbox._launch import Cage
from terret.sandbox._limits import process_limits
from terret.sandbox._run import supervise
from terret.sandbox._seccomp import build
from terret.sandbox._types import Missing, Report, Tier
from terret.sandbox._watch import DiskMeter, Watch
from terret.task import Limits

_TRIAL = Limits(wall_s=10.0, cpu_s=10.0, memory_mb=256, pids=64, output_kb=64, disk_mb=16)
_lock = threading.Lock()
_known: Report | None = None


def probe(refresh: bool = False) -> Report:
    """What this machine offers; found out once per process by running tiny commands in the sandbox."""
    global _known
    with _lock:
        if _known is None or refresh:
            if refresh:
                find_bwrap.cache_clear()
                landlock_version.cache_clear()
                confiner.cache_clear()
                find_hierarchy.cache_clear()
                program.cache_clear()
            _known = _look()
        return _known


def _look() -> Report:
    features: dict[str, bool | str] = {}
    missing: list[Missing] = []
    tier: Tier | None = None
    if _isolation(features, missing):
        hierarchy = find_hierarchy()
        features["cgroup"] = f"{hierarchy.version}: {', '.join(sorted(hierarchy.roots))}" if hierarchy else False
        tier = "full" if hierarchy is not None and hierarchy.complete else "rlimit"
        if tier == "rlimit":
            missing.append(
                Missing(
                    "cgroup",
                    "no control group with memory and pids may be made here; a watchdog guards instead",
                    "run as root, or under `systemd-run --user --scope -p Delegate=yes`",
                )
            )
        features["landlock"] = _landlocked(features, missing)
    for name, fix in (("git", "apt-get install git"), ("rg", "pip install 'terret[run]'")):
        features[name] = program(name) or False
        if features[name] is False:
            missing.append(Missing(name, f"{name} is not installed", fix))
    features["node"] = program("node") or False
    return Report(tier, features, missing)


def _isolation(features: dict[str, bool | str], missing: list[Missing]) -> bool:
    features |= {"bubblewrap": False, "namespaces": False, "seccomp": False, "overlay": False}
    bwrap = find_bwrap()
    if bwrap is None:
        missing.append(Missing("bubblewrap", "bubblewrap is not installed", "pip install 'terret[run]'"))
        return False
    features["bubblewrap"] = version(bwrap)
    program_filter = build()
    if program_filter is None:
        why = f"no system call table for {platform.machine()}"
        missing.append(Missing("seccomp", why, "use an x86_64 or aarch64 machine"))
        return False
    error = _try(bwrap, overlay=False)
    if error is not None:
        missing.append(Missing("namespaces", error, _mend()))
        return False
    features["namespaces"] = features["seccomp"] = True
    error = _try(bwrap, overlay=True)
    features["overlay"] = error is None
    if error is not None:
        fix = "pip install 'terret[run]' (bubblewrap 0.11 or later); until then scratch runs copy the workspace"
        missing.append(Missing("overlay", error, fix))
    return True


def _landlocked(features: dict[str, bool | str], missing: list[Missing]) -> bool | str:
    """The version of Landlock that commands restrict themselves with, after a trial."""
    why = unusable()
    bwrap = find_bwrap()
    if why is None and bwrap is not None:
        why = _leaks(bwrap)
    if why is None:
        return f"version {landlock_version()}"
    missing.append(Missing("landlock", why, "use Linux 5.19 or later on x86_64, booted with landlock among its lsm="))
    return False


def _leaks(bwrap: str) -> str | None:
    """Let a command have a descriptor of a folder outside; why Landlock does not keep it from using that, or None."""
    with tempfile.TemporaryDirectory(prefix="terret-probe-") as folder, contextlib.ExitStack() as stack:
        leaked = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, leaked)
        Path(folder, "shown").mkdir()
        args = arguments(f"{folder}/shown", environment=base_environment(), limits=_TRIAL)
        text = f"touch probe && ! ls /proc/self/fd/{leaked}/ >/dev/null 2>&1 && echo held"
        words = [bwrap, *args, "--", *confined([SHELL, "-c", text])]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=10, check=False, pass_fds=[leaked], env={}
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        said = f"{done.stdout}{done.stderr}".strip()
        return None if done.stdout.strip() == "held" else f"a trial command was not restricted: {said[-200:]}"


def version(bwrap: str) -> str:
    """Bubblewrap's version, or "unknown"."""
    try:
        done = subprocess.run([bwrap, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip().removeprefix("bubblewrap ") or "unknown"


def _try(bwrap: str, *, overlay: bool) -> str | None:
    """Run a command that shows the isolation holds; why it does not, or None."""
    program_filter = build()
    if program_filter is None:
        return "no system call filter"
    with tempfile.TemporaryDirectory(prefix="terret-probe-") as folder:
        args = arguments(folder, environment=base_environment(), limits=_TRIAL, overlay=overlay)
        text = "touch probe && ! touch /probe 2>/dev/null && ! unshare -U true 2>/dev/null && grep -c : /proc/net/dev"
        try:
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123
                cage = Cage(
                    bwrap,
                    b"".join(os.fsencode(word) + b"\0" for word in args),
                    [SHELL, "-c", text],
                    bpf=program_filter.bpf,
                    stdin=nothing.fileno(),
                    limits=process_limits(_TRIAL, tree_guarded=False),
                )
            try:
                done = supervise(cage, Watch(_TRIAL, None, None if overlay else DiskMeter(folder)))
            finally:
                cage.close()
        except (SandboxError, OSError) as error:
            return str(getattr(error, "message", error))
        if done.status != "ok" or done.exit_code != 0 or done.output.strip() != b"1":
            said = done.output.decode("utf-8", "replace").strip().split("\n")[-1]
            return f"a trial command was not confined: {done.status}, exit code {done.exit_code} {said}".strip()
        if overlay and Path(folder, "probe").exists():
            return "an overlay lets writes through"
    return None


def _mend() -> str:
    """The setting that keeps user namespaces away."""
    for name, bad, value in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "15000"),
    ):
        try:
            found = Path("/proc/sys", name).read_text("utf-8").strip()
        except OSError:
            continue
        if found == bad:
            return f"sudo sysctl -w {name.replace('/', '.')}={value}"
    return "allow user namespaces (in a container: --security-opt seccomp=unconfined, or run on the host)"
