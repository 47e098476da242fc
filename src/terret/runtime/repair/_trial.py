"""Runs the visible tests on many candidates in one sandboxed process.

A candidate costs a fork of an interpreter that has its test framework loaded already, not a new interpreter in a new
sandbox. Everything happens in a scratch workspace, so nothing of it remains.
"""

from __future__ import annotations

import json
import shlex
from typing import NamedTuple

MARK = "terret-trial:"
"""Begins every line of the runner's report."""


class TrialPlan(NamedTuple):
    """A command that runs the trial and the report's reader needs nothing else."""

    command: str
    stdin: bytes


def plan(
    test_command: str, path: str, texts: list[str], *, each_s: float, most: int, least_s: float = 0.5
) -> TrialPlan | None:
    """How to try candidate texts of ``path``; ``None`` when the test command is not pytest or unittest.

    Args:
        test_command: ``python -m pytest ...`` or ``python -m unittest ...``.
        path: The file the candidates replace.
        texts: Whole files.
        each_s: Seconds of CPU time one candidate may take; four times as many in all.
        most: Stop after so many candidates passed.
        least_s: Once one has passed, the others get three times as much as it took, and this at least.
    """
    words = shlex.split(test_command)
    if len(words) < 3 or words[0] not in {"python", "python3"} or words[1] != "-m":
        return None
    if words[2] not in {"pytest", "unittest"}:
        return None
    job = {"path": path, "texts": texts, "argv": words[3:], "with": words[2], "each_s": each_s, "most": most}
    job["least_s"] = least_s
    return TrialPlan(f"python -c {shlex.quote(RUNNER)}", json.dumps(job).encode())


def passed(output: str) -> list[int]:
    """The indices of the candidates that passed, in the order tried."""
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith(MARK) and line.endswith(" 0")]


RUNNER = f'''
import json, os, signal, sys, time
job = json.load(sys.stdin)
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
if job["with"] == "pytest":
    import pytest
    from importlib.metadata import entry_points
    if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        for entry in entry_points(group="pytest11"):
            entry.load()
    import _pytest.assertion.rewrite, _pytest.python, _pytest.terminal, _pytest.junitxml, _pytest.unittest, unittest
else:
    import unittest
def child():
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1); os.dup2(null, 2)
    os.setsid()
    if job["with"] == "pytest":
        return int(pytest.main([*job["argv"], "-x", "-q", "-p", "no:cacheprovider"]))
    done = unittest.main(module=None, argv=["unittest", "-f", *job["argv"]], exit=False)
    return 0 if done.result.wasSuccessful() and done.result.testsRun else 1
good, each = 0, job["each_s"]
for index, text in enumerate(job["texts"]):
    with open(job["path"], "w", encoding="utf-8") as file:
        file.write(text)
    pid = os.fork()
    if pid == 0:
        code = 70
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, each)
        try:
            code = child()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        finally:
            os._exit(code)
    end = time.monotonic() + 4 * each
    done = 0
    while not done and time.monotonic() < end:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if not done:
            time.sleep(0.004)
    if not done:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)
        done, status, used = os.wait4(pid, 0)
    print("{MARK}", index, os.waitstatus_to_exitcode(status), flush=True)
    if status == 0:
        good, each = good + 1, min(each, max(job["least_s"], 3 * (used.ru_utime + used.ru_stime)))
    if good >= job["most"]:
        break
'''
"""The program that runs inside the sandbox; standard library and the test framework only."""
