"""One command, judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from terret.verification._results import CheckResult, CheckType

if TYPE_CHECKING:
    from terret.sandbox import Command, Completed
    from terret.task import Limits

STATUS = {
    "timeout": "took longer than {wall:g} s",
    "cpu": "used more than {cpu:g} s of CPU time",
    "memory": "used more than {memory} MB of memory",
    "pids": "started more than {pids} processes",
    "disk": "wrote more than {disk} MB",
    "output": "printed more than {output} KB",
    "killed": "was killed",
}
"""How a command that hit a limit is described."""

_OUTPUT_LIMIT = 200_000


class Runner(Protocol):
    """What :func:`run_check` needs of a sandbox."""

    def run(self, command: Command) -> Completed:
        """Run one command."""
        ...


def run_check(
    sandbox: Runner,
    *,
    name: str,
    type: CheckType,
    command: str,
    limits: Limits,
    covers: Sequence[str] = (),
    expect: str | None = None,
    exit_code: int | None = None,
) -> CheckResult:
    """Run a command with its writes thrown away and judge it.

    It passes when it ended by itself, its exit code is ``exit_code`` (default 0, any when only ``expect`` is given)
    and ``expect`` occurs in its output. A deterministic check that hits a limit fails; a regression or lint run that
    runs out of time has no result.

    Raises:
        SandboxError: The sandbox itself broke.
    """
    from terret.sandbox import Command

    done = sandbox.run(Command(run=command, limits=limits, scratch=True))
    output = done.output.decode("utf-8", "replace")
    passed, detail = judge(done, output, limits, expect, exit_code)
    if done.status in ("timeout", "cpu") and type in ("regression", "lint"):
        passed = None
    return CheckResult(
        name=name,
        type=type,
        command=command,
        passed=passed,
        exit_code=done.exit_code,
        covers=list(covers),
        detail=detail,
        duration_ms=round(done.wall_ms, 3),
        output=output[-_OUTPUT_LIMIT:],
    )


def timed(limits: Limits, wall_s: float) -> Limits:
    """The limits with another wall time; CPU time is never the shorter of the two."""
    return msgspec.structs.replace(limits, wall_s=wall_s, cpu_s=max(limits.cpu_s, wall_s))


def judge(done: Completed, output: str, limits: Limits, expect: str | None, exit_code: int | None) -> tuple[bool, str]:
    """Whether a finished command passes, and if not, why; the rule of :func:`run_check`."""
    if done.status != "ok":
        text = STATUS.get(done.status, done.status)
        return False, "the command " + text.format(
            wall=limits.wall_s,
            cpu=limits.cpu_s,
            memory=limits.memory_mb,
            pids=limits.pids,
            disk=limits.disk_mb,
            output=limits.output_kb,
        )
    wanted = 0 if exit_code is None and expect is None else exit_code
    if wanted is not None and done.exit_code != wanted:
        ended = f"signal {done.signal}" if done.exit_code is None else f"exit code {done.exit_code}"
        return False, f"{ended} instead of {wanted}"
    if expect is not None and expect not in output:
        cut = " (the output was cut)" if done.truncated else ""
        return False, f"{expect!r} is not in the output{cut}"
    return True, ""
